"""Sums of whole numbers: exact in every form, with the gradients of float32 up to rounding."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from brnn.data.pixels import to_pixels
from brnn.training.products import FORMS, to_whole

ROWS, UNITS = 64, 24
SIZES = (512, 513, 784, 1024)


def drawn(levels, *shape):
    return np.random.default_rng(0).choice(levels, shape).astype("float32")


def computed(form, *arguments):
    """The sums of a form; skips where this processor lacks it."""
    try:
        return np.asarray(tf.function(form)(*arguments), "float64")
    except tf.errors.OpError as error:
        pytest.skip(f"this build of TensorFlow lacks it: {error.message[:80]}")


@pytest.mark.parametrize("inner", SIZES)
@pytest.mark.parametrize("levels", [(-1, 1), (-1, 0, 1)], ids=["signs", "ternary"])
@pytest.mark.parametrize("name", FORMS)
def test_sums_of_levels_are_exact(name, levels, inner):
    codes, kernel = drawn(levels, ROWS, inner), drawn(levels, inner, UNITS)
    codes[0], kernel[:, 0] = 1, 1  # the largest sum
    form = FORMS[name]
    sums = computed(lambda x, w: form.multiply(form.encode(x), w, 0 not in levels), codes, kernel)
    np.testing.assert_array_equal(sums, codes.astype("float64") @ kernel)
    assert sums.max() == inner


@pytest.mark.parametrize("name", FORMS)
def test_sums_of_bytes_are_exact(name):
    x = np.random.default_rng(0).integers(256, size=(ROWS, 784), dtype="uint8")
    x[0], kernel = 255, drawn((-1, 0, 1), 784, UNITS)
    kernel[:, 0] = 1
    sums = computed(lambda x, w: FORMS[name].multiply_pixels(x, w, True), x, kernel)
    np.testing.assert_array_equal(sums, x.astype("float64") @ kernel)


def test_one_sum_in_bfloat16_is_not_exact_beyond_256():
    """257 ones: 257 is odd and needs nine bits, so that one product in bfloat16 gives 256."""
    ones = tf.ones((1, 257))
    whole = tf.matmul(*(tf.cast(x, tf.bfloat16) for x in (ones, tf.transpose(ones))))
    assert float(whole[0, 0]) == 256
    form = FORMS["bfloat16"]
    assert float(form.multiply(form.encode(ones), tf.transpose(ones), True)[0, 0]) == 257


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_pixels_of_bytes_are_whole_again(compiled):
    pixels = tf.constant(np.asarray(to_pixels(np.arange(256, dtype="uint8"))))
    whole = tf.function(to_whole, jit_compile=compiled)(pixels)
    np.testing.assert_array_equal(whole, np.arange(256))
    assert np.count_nonzero(pixels * np.float32(255) != np.arange(256)) == 126  # a product alone
    between = tf.constant([0.3 / 255, 0.9 / 255])
    np.testing.assert_allclose(to_whole(between), [0.3, 0.9], rtol=1e-6)
    _, gradient = tf.function(lambda x: gradient_of(to_whole, x))(pixels)
    np.testing.assert_array_equal(gradient, np.full(256, 255.0))


def gradient_of(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", ["bfloat16", "xla_bfloat16"])
def test_sums_of_pixels_between_bytes_are_those_of_float32(name, compiled):
    x = np.random.default_rng(0).uniform(0, 255, (ROWS, 784)).astype("float32")
    kernel = drawn((-1, 1), 784, UNITS)
    multiply = partial(FORMS[name].multiply_pixels, whole=False)
    sums = tf.function(multiply, jit_compile=compiled)(tf.constant(x), tf.constant(kernel))
    np.testing.assert_allclose(sums, x.astype("float64") @ kernel, rtol=1e-4, atol=0.05)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", ["bfloat16", "xla_bfloat16"])
def test_gradients_in_bfloat16_are_those_of_float32_up_to_rounding(name, compiled):
    codes, kernel = drawn((-1, 1), ROWS, 64), drawn((-1, 1), 64, UNITS)
    upstream = np.random.default_rng(1).normal(size=(ROWS, UNITS)).astype("float32")

    form = FORMS[name]

    def gradients():
        with tf.GradientTape() as tape:
            x, w = map(tf.constant, (codes, kernel))
            tape.watch([x, w])
            sums = tf.cast(form.multiply(form.encode(x), w, True), tf.float32)
            value = tf.reduce_sum(sums * upstream)
        return tape.gradient(value, [x, w])

    narrow = tf.function(gradients, jit_compile=compiled)()
    for found, exact in zip(narrow, [upstream @ kernel.T, codes.T @ upstream], strict=True):
        np.testing.assert_allclose(found, exact, atol=0.02 * np.abs(exact).max())
        assert (found.numpy() != exact).any()  # rounded to 8 bits


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_gradients_in_xla_round_their_factors_alone(compiled):
    """The sums of 1,024 products of bfloat16 keep the digits of float32."""
    codes, kernel = drawn((-1, 1), 1024, 48), drawn((-1, 1), 48, 40)
    upstream = tf.cast(tf.random.stateless_normal((1024, 40), (0, 0)), tf.bfloat16)
    upstream = tf.cast(upstream, tf.float32)

    def gradients(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            sums = FORMS["xla_bfloat16"].multiply(x, w, True)
        return tape.gradient(sums, [x, w], upstream)

    run = tf.function(gradients, jit_compile=compiled)
    of_codes, of_kernel = run(tf.constant(codes), tf.constant(kernel))
    wide = upstream.numpy().astype("float64")
    np.testing.assert_allclose(of_codes, wide @ kernel.T, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(of_kernel, codes.T @ wide, rtol=1e-5, atol=1e-4)


def test_a_product_in_xla_may_be_transposed():
    """XLA has no transposed product of bfloat16."""
    codes, kernel = drawn((-1, 1), ROWS, 64), drawn((-1, 1), 64, UNITS)

    @partial(tf.function, jit_compile=True)
    def transposed(x, w):
        return tf.transpose(FORMS["xla_bfloat16"].multiply(x, w, True))

    result = transposed(tf.constant(codes), tf.constant(kernel))
    np.testing.assert_array_equal(result, (codes @ kernel).T)


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_gradients_of_gradients_in_xla(compiled):
    x, w = drawn((-1, 1), 8, 64), drawn((-1, 1), 64, 16)

    def penalty(multiply, x, w):
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(tf.sin(multiply(x, w, True) / 8))
            size = tf.reduce_sum(inner.gradient(value, x) ** 2)
        return outer.gradient(size, w)

    found, expected = (
        tf.function(partial(penalty, FORMS[name].multiply), jit_compile=compiled, autograph=False)(
            tf.constant(x), tf.constant(w)
        )
        for name in ("xla_bfloat16", "float32")
    )
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_not_a_number_stays_one_in_the_gradient_of_a_kernel():
    x, w = tf.fill((4, 32), np.nan), tf.ones((32, 8))
    with tf.GradientTape() as tape:
        tape.watch(w)
        sums = FORMS["xla_bfloat16"].multiply(x, w, True)
    assert np.isnan(tape.gradient(sums, w)).all()
