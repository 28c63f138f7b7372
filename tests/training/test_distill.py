"""Distillation: the loss by hand, the right inputs for the teacher, one program for a teacher."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.data.dataset import Data
from brnn.nets.task import Task
from brnn.training import build, losses, regimes
from brnn.training.distill import distillation
from brnn.training.starts import Start, Teacher

X, LABELS = tf.constant([[0.5, 0.5], [0.1, 0.9]]), tf.constant([0, 1])


def student(x):
    return x @ tf.constant([[1.0, -1.0], [-1.0, 1.0]])


def teacher(x):
    return 4 * x


def softmax(logits):
    powers = np.exp(np.float64(logits))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 1.0), (4.0, 1.0), (4.0, 0.3)])
def test_the_loss_is_that_of_the_paper(temperature, weight):
    regime = distillation(regimes.standard, teacher, temperature=temperature, weight=weight)
    call = lambda x: (student(x), "state")  # noqa: E731
    loss, logits, state = regime(call, student, losses.cross_entropy, X, LABELS, None)
    p, q = softmax(teacher(X) / temperature), softmax(student(X) / temperature)
    divergence = (p * np.log(p / q)).sum(axis=1).mean()
    plain = -np.log(softmax(student(X))[[0, 1], [0, 1]]).mean()
    assert float(loss) == pytest.approx(
        (1 - weight) * plain + weight * temperature**2 * divergence, rel=1e-5
    )
    np.testing.assert_array_equal(logits, student(X))
    assert state == "state"


def test_the_teacher_sees_the_images_and_not_those_of_an_attack():
    seen = []
    attacked = partial(regimes.adversarial, epsilon=0.2, step=0.5, iterations=3)
    regime = distillation(
        attacked, lambda x: seen.append(x) or teacher(x), temperature=1.0, weight=0.5
    )
    call = lambda x: (student(x), "state")  # noqa: E731
    middle = lambda shape: tf.fill(shape, 0.5)  # noqa: E731
    _, logits, _ = regime(call, student, losses.cross_entropy, X, LABELS, middle)
    (x,) = seen
    np.testing.assert_array_equal(x, X)
    assert not np.array_equal(logits, student(X))


def test_no_gradient_reaches_the_teacher():
    scale = tf.Variable(4.0)
    regime = distillation(regimes.standard, lambda x: scale * x, temperature=2.0, weight=0.5)
    with tf.GradientTape() as tape:
        loss, *_ = regime(lambda x: (student(x), 0), student, losses.cross_entropy, X, LABELS, None)
    assert tape.gradient(loss, scale) is None


def net(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, kernel_initializer="normal")])


def data():
    x = np.random.default_rng(0).random((32, 4)).astype("float32")
    y = (np.arange(32) % 2).astype("int32")
    return Data((x, y), (x[:0], y[:0]), (x, y), classes=2, source="generated")


def state_of(keys, teacher, epochs=2, start=0, state=None):
    program = build.program(keys, Task((4,), 2), start=Start(teacher=teacher))
    if state is not None:
        program.restore(state)
    list(build.epochs(program, keys | {"epochs": epochs}, data(), start))
    return program.state()


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_each_teacher_is_learnt_from_in_the_compiled_loop_and_after_a_stop(options):
    keys = options("precision=binarynet", "topology.width=5", "batch_size=8", "compiled=true")
    first, second = Teacher("first", net(1)), Teacher("second", net(2))
    whole, other, plain = (state_of(keys, teacher) for teacher in (first, second, None))
    assert not equal(whole, other)
    assert not equal(whole, plain)
    stopped = state_of(keys, first, epochs=1)
    assert equal(state_of(keys, first, start=1, state=stopped), whole)
    assert equal(state_of(keys, Teacher("first", net(1))), whole)
