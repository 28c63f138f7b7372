"""Training with products of bfloat16: the forward pass of float32, and gradients near its own."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from brnn.nets.task import Task
from brnn.training import build
from brnn.training.products import FORMS

ROWS = 64
X = np.random.default_rng(0).integers(256, size=(ROWS, 28, 28), dtype="uint8")
Y = (np.arange(ROWS) % 10).astype("int32")
NET = ["topology.width=33", "topology.depth=2", "attack=none", "optimizer=sgd", "estimator=ste"]


@pytest.fixture
def first_step(options):
    """A function to the loss of one step, and the changes of all variables."""

    def run(compute, *overrides):
        checked = options(*NET, *overrides, f"compute={compute}")
        program = build.program(checked, Task((28, 28), 10))
        before = program.state()
        values = build.by_step_of(checked, program.manager)(np.arange(1), 1)
        table = {name: tf.constant(value.astype("float32")) for name, value in values.items()}
        order = tf.constant(np.arange(ROWS, dtype="int32")[None])
        numbers = [tf.constant([0, 0]), tf.constant(0), tf.constant(1)]
        zeros = program.zeros(tf.constant(Y), ROWS)
        (sums, _), _ = program.train(tf.constant(X), tf.constant(Y), order, table, *numbers, zeros)
        changes = [new - old for old, new in zip(before, program.state(), strict=True)]
        return float(sums["loss"]), changes

    return run


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["precision.scale=0.84"],  # whose reciprocal gives 0.99999994 in float32
        ["precision=ternary", "precision.scale=0.21"],
        ["precision=stochastic_binary"],
        ["augmentation.flip=true", "augmentation.cutout=4"],
        ["progression=layerwise"],
    ],
    ids=" ".join,
)
def test_a_step_is_that_of_float32_up_to_the_rounding_of_gradients(first_step, overrides):
    loss, changes = first_step("bfloat16", *overrides)
    expected, others = first_step("float32", *overrides)
    assert loss == pytest.approx(expected, rel=1e-6)
    for change, other in zip(changes, others, strict=True):
        assert np.linalg.norm(change - other) <= 0.02 * np.linalg.norm(other)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {True}),
        (["augmentation.shift=1"], {False}),
        (["training=trades"], {False}),  # joins clean and attacked ones
    ],
    ids=["clean", "augmentation", "trades"],
)
def test_only_images_as_they_are_count_as_whole(monkeypatch, first_step, overrides, expected):
    form, seen = FORMS["xla_bfloat16"], set()

    def multiply_pixels(pixels, kernel, whole):
        seen.add(whole)
        return form.multiply_pixels(pixels, kernel, whole)

    spy = dataclasses.replace(form, multiply_pixels=multiply_pixels)
    monkeypatch.setitem(FORMS, "xla_bfloat16", spy)
    first_step("bfloat16", "topology.width=34", *overrides)  # a net that no other test has traced
    assert seen == expected
