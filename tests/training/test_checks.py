"""What a program is made of: refused where it could not do what its user expects."""

import keras
import numpy as np
import pytest

from brnn.errors import ConfigError
from brnn.quantization.manager import QuantManager
from brnn.training import losses, regimes
from brnn.training.checks import check_loss, check_model, output_width, per_label
from brnn.training.program import Program

CLASSES, VALUES = np.array([0, 2], "int32"), np.array([[0.0], [1.0]], "float32")


def model(inputs=1, outputs=1, width=3):
    tensors = [keras.Input((4,)) for _ in range(inputs)]
    joined = keras.layers.Concatenate()(tensors) if inputs > 1 else tensors[0]
    return keras.Model(tensors, [keras.layers.Dense(width)(joined) for _ in range(outputs)])


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 1), (1, 2), (2, 2)])
def test_further_inputs_and_outputs_must_be_states(inputs, outputs):
    with pytest.raises(ConfigError, match=f"{inputs} inputs and {outputs} outputs"):
        check_model(model(inputs, outputs))


def test_one_input_and_one_output_and_states_of_one_shape_pass():
    check_model(model())
    x, state = keras.Input((4,)), keras.Input((3,))
    next_state = keras.layers.Dense(3)(keras.layers.Concatenate()([x, state]))
    check_model(keras.Model([x, state], [keras.layers.Dense(2)(next_state), next_state]))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda: keras.optimizers.Adam(use_ema=True), "use_ema=True, but Keras' averages"),
        (
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)),
            "is a schedule, but the rates are those",
        ),
    ],
)
def test_an_optimizer_that_would_be_ignored_in_part_is_refused(optimizer, message):
    with pytest.raises(ConfigError, match=message):
        Program(
            QuantManager(model(), []), optimizer(), losses.cross_entropy, regimes.standard, True
        )


def test_a_loss_object_of_keras_gives_one_value_per_label():
    outputs = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0]], "float32")
    loss = per_label(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    check_loss(loss, CLASSES, 3)
    np.testing.assert_allclose(
        loss(CLASSES, outputs), losses.cross_entropy(CLASSES, outputs), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("loss", "labels", "outputs"),
    [
        (losses.cross_entropy, CLASSES, 3),
        (losses.squared_hinge, CLASSES, 2),
        (losses.cross_entropy, np.zeros((2, 5), "int32"), 3),
        (losses.mean_squared_error, VALUES, 1),
        (losses.mean_squared_error, np.zeros((2, 5, 1), "float32"), 1),
        (keras.losses.SparseCategoricalCrossentropy(), CLASSES, None),
    ],
)
def test_a_loss_that_gives_one_value_per_label_passes(loss, labels, outputs):
    check_loss(loss, labels, outputs)


@pytest.mark.parametrize(
    ("loss", "labels", "outputs", "message"),
    [
        (losses.mean_squared_error, CLASSES, 3, "mean_squared_error does not take labels int32"),
        (losses.mean_squared_error, CLASSES, 2, "mean_squared_error does not take labels int32"),
        (losses.squared_hinge, VALUES, 1, "loss squared_hinge"),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            CLASSES,
            3,
            r"must give one value per label, of shape \(2,\) .* got shape \(\)",
        ),
    ],
)
def test_another_loss_is_refused(loss, labels, outputs, message):
    with pytest.raises(ConfigError, match=message):
        check_loss(loss, labels, outputs)


def test_the_width_of_a_model_whose_outputs_are_known_only_in_a_call_is_none():
    assert output_width(model(width=7)) == 7
    assert output_width(object()) is None
