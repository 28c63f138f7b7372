"""Attacks on whole arrays: they give what a run's attack gives, and refuse what they cannot use."""

import inspect

import keras
import numpy as np
import pytest

from brnn import attacks
from brnn.attacks import gradient
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.errors import ConfigError, DataError
from brnn.quantization.manager import QuantManager

BATCHED = [
    name
    for name in groups.names("attack")
    if name not in ("adaptive", "suite", "suite_v1", "exact", "none")
]


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(20, 4, 4)).astype("float32"), rng.integers(0, 3, 20)


def test_every_attack_on_a_batch_is_an_attribute():
    assert set(BATCHED) <= set(dir(attacks))
    for name in BATCHED:
        assert getattr(attacks, name) is getattr(attacks, name)
    assert attacks.pgd.__doc__ == gradient.pgd.__doc__
    assert inspect.signature(attacks.pgd).parameters["epsilon"].default == 0.1


@pytest.mark.parametrize("name", ["adaptive", "suite", "suite_v1", "exact", "none", "pdg"])
def test_other_names_are_not_attributes(name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(attacks, name)
    assert attacks.gradient is gradient


@pytest.mark.parametrize("name", ["pgd", "square", "fgsm"])
def test_result_is_that_of_the_option(name, net, images):
    x, y = images
    attack = groups.function("attack", groups.option("attack", name) | {"epsilon": 0.2}, [])
    expected = perturbed(attack, net, x, y.astype("int32"), 3)
    attack = getattr(attacks, name)
    np.testing.assert_array_equal(attack(net, x, y, epsilon=0.2, seed=3), expected)
    np.testing.assert_array_equal(attack(net, x, y[:, None], epsilon=0.2, seed=3), expected)


def test_bytes_are_pixels_and_any_net_will_do(net, images):
    x, y = np.round(images[0] * 255).astype("uint8"), images[1].astype("uint8")
    expected = attacks.bim(net, (x * np.float32(1 / 255)), y, iterations=3)
    for other in (QuantManager(net, ()), lambda x: net(x)):
        np.testing.assert_allclose(attacks.bim(other, x, y, iterations=3), expected, atol=1e-6)
    assert expected.dtype == np.float32
    assert np.abs(expected - x / 255).max() <= 0.1 + 1e-6


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"epsilonn": 0.1}, r"attacks\.pgd\.epsilonn is not a key.*did you mean epsilon\?"),
        ({"epsilon": 0}, r"attacks\.pgd\.epsilon must be a finite number above 0, got 0"),
        ({"epsilon": 3.0}, r"attack\.epsilon must be at most 1 in L-inf"),
        ({"loss": "dlrr"}, r"attacks\.pgd\.loss must be one of cross_entropy, margin, dlr"),
    ],
)
def test_bad_keys_are_refused(keys, message, net, images):
    with pytest.raises(ConfigError, match=message):
        attacks.pgd(net, *images, **keys)


def test_scalars_of_numpy_are_numbers(net, images):
    one, other = (attacks.pgd(net, *images, epsilon=e) for e in (0.25, np.float32(0.25)))
    np.testing.assert_array_equal(one, other)


def test_a_loss_of_more_classes_is_refused(images):
    two = lambda x: x[:, 0, :2]  # noqa: E731
    with pytest.raises(ConfigError, match="dlr needs at least 3 classes, got 2"):
        attacks.pgd(two, images[0], images[1] % 2, loss="dlr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x * 255, y), r"x must lie in \[0, 1\], or hold bytes, got values from"),
        (lambda x, y: (x * np.nan, y), r"x must lie in \[0, 1\]"),
        (lambda x, y: (x.astype("int64"), y), "x must hold bytes, or floats.*got int64"),
        (lambda x, y: (x, y / 2), "y must hold whole numbers, got float64"),
        (lambda x, y: (x, y[:3]), r"got \(20, 4, 4\) and \(3,\)"),
        (lambda x, y: (x[:0], y[:0]), "n at least 1"),
        (lambda x, y: (x, y - 1), "y must hold classes from 0 up, got -1"),
    ],
)
def test_arrays_that_are_not_images_and_classes_are_refused(change, message, net, images):
    with pytest.raises(DataError, match=message):
        attacks.fgsm(net, *change(*images))
