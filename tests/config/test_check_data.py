"""A configuration against its data."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.config.check_data import check_data
from brnn.data.dataset import Data
from brnn.errors import ConfigError


@pytest.fixture
def text():
    """Ten sequences of the characters a and b."""
    rows = (np.zeros((10, 4), "int32"), np.zeros((10, 4), "int32"))
    return Data(rows, rows, rows, 2, "text", tokens="ab")


def options(**keys):
    given = {"batch_size": 10, "sample": {"prompt": "abba"}, "objective": "validation/loss"}
    harmless = {"attack": {"name": "none"}, "training": {"name": "standard"}, "augmentation": {}}
    harmless["topology"] = {"name": "dense"}
    harmless |= {"epochs": 3, "estimator": {"name": "identity"}}
    return given | harmless | keys


def test_data_that_serve_a_configuration_pass(text):
    check_data(options(), text)


def test_a_batch_has_at_most_the_training_rows(text):
    with pytest.raises(
        ConfigError, match="batch_size must be at most 10, the training rows, got 11"
    ):
        check_data(options(batch_size=11), text)


def test_a_key_is_annealed_within_the_steps_of_the_training(text):
    def annealed(steps):
        slope = {"schedule": "linear", "from": 1.0, "to": 2.0, "steps": steps}
        return options(batch_size=4, estimator={"name": "tanh", "slope": slope})

    check_data(annealed(6), text)  # 3 epochs of 10 // 4 steps
    check_data(annealed(None), text)
    with pytest.raises(ConfigError, match=r"estimator\.slope\.steps must be at most 6, .* got 7"):
        check_data(annealed(7), text)


def test_a_prompt_has_the_characters_of_the_text(text):
    with pytest.raises(ConfigError, match=r"sample\.prompt must be of .* 'ab', got 'c'"):
        check_data(options(sample={"prompt": "abc"}), text)


def test_an_objective_of_validation_needs_rows_for_it(text):
    without = replace(text, validation=(text.validation[0][:0], text.validation[1][:0]))
    with pytest.raises(ConfigError, match="objective=validation/loss needs validation data"):
        check_data(options(), without)
    check_data(options(objective="test/loss"), without)


def images(x, y):
    return Data((x, y), (x, y), (x, y), 2, "npz")


@pytest.mark.parametrize("key", ["attack", "training"])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((10, 2), "float32") - 1, np.zeros(10, "int32"), "got values from -1 to -1"),
        (np.zeros((10, 2), "float32") + 2, np.zeros(10, "int32"), "got values from 2 to 2"),
        (np.zeros((10, 2), "int32"), np.zeros(10, "int32"), "needs images with one class each"),
        (np.zeros((10, 2), "uint8"), np.zeros((10, 1), "float32"), r"labels float32 \(10, 1\)"),
        (np.zeros((10, 2, 2), "uint8"), np.zeros((10, 2), "int32"), r"labels int32 \(10, 2\)"),
    ],
)
def test_an_attack_needs_pixels_with_one_class_each(key, x, y, message):
    with pytest.raises(ConfigError, match=message):
        check_data(options(**{key: {"name": "pgd"}}), images(x, y))
    check_data(options(), images(x, y))


@pytest.mark.parametrize("x", [np.full((10, 2), 255, "uint8"), np.ones((10, 2), "float32")])
def test_pixels_may_be_bytes_or_floats_up_to_1(x):
    check_data(options(attack={"name": "pgd"}), images(x, np.zeros(10, "int32")))


@pytest.mark.parametrize(
    ("x", "y", "augmentation", "message"),
    [
        ((10, 784), (10,), {"shift": 2}, r"augmentation\.shift needs images .*got \(10, 784\)"),
        ((10, 28, 28), (10, 28), {"flip": True}, r"augmentation\.flip needs images"),
        ((10, 8, 3), (10,), {"cutout": 3}, r"augmentation\.cutout must be below 3, .*got 3"),
        ((10, 4, 8, 3), (10,), {"pad_and_crop": 4}, "pad_and_crop must be below 4, the shorter"),
    ],
)
def test_only_images_larger_than_a_change_are_changed(x, y, augmentation, message):
    data = images(np.zeros(x, "float32"), np.zeros(y, "int32"))
    with pytest.raises(ConfigError, match=message):
        check_data(options(augmentation=augmentation), data)
    check_data(options(augmentation={"shift": 0, "flip": False}), data)


def test_images_of_one_or_more_channels_are_changed():
    for shape in ((10, 5, 5), (10, 5, 6, 3)):
        data = images(np.zeros(shape, "uint8"), np.zeros(10, "int32"))
        check_data(options(augmentation={"shift": 4, "flip": True, "cutout": 4}), data)
