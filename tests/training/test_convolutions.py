"""Convolutions of whole numbers: exact in every form, with gradients up to rounding."""

import numpy as np
import pytest
import tensorflow as tf

from brnn.training.convolutions import convolution, exact_channels

SIGNS, TERNARY = (-1, 1), (-1, 0, 1)
FORMS = ["float32", "bfloat16"]


def drawn(levels, *shape, seed=0):
    return np.random.default_rng(seed).choice(levels, shape).astype("float32")


def exact(x, kernel, strides, padding):
    """The sums in float64, which holds all of them."""
    return tf.nn.conv2d(x.astype("float64"), kernel.astype("float64"), strides, padding.upper())


def computed(function, *arguments):
    try:
        return np.asarray(tf.cast(tf.function(function)(*arguments), tf.float64))
    except tf.errors.OpError as error:
        pytest.skip(f"this build of TensorFlow lacks it: {error.message[:80]}")


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("levels", [SIGNS, TERNARY], ids=["signs", "ternary"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("size", "channels", "stride"), [(5, 32, 1), (3, 64, 2), (3, 57, 1), (1, 300, 1), (5, 21, 1)]
)
def test_sums_of_levels_are_exact(name, levels, padding, size, channels, stride):
    x, kernel = drawn(levels, 2, 9, 9, channels), drawn(levels, size, size, channels, 3, seed=1)
    x[0], kernel[..., 0] = 1, 1  # the largest sums, those at padding included
    form = convolution(name, kernel.shape, (stride, stride), padding)
    signs = 0 not in levels
    sums = computed(lambda x, w: form.multiply(form.encode(x), w, signs), x, kernel)
    np.testing.assert_array_equal(sums, exact(x, kernel, stride, padding))
    assert sums.max() == size * size * channels


@pytest.mark.parametrize("name", FORMS)
def test_sums_of_bytes_are_exact(name):
    x = np.random.default_rng(0).integers(256, size=(2, 8, 8, 9), dtype="uint8")
    x[0], kernel = 255, drawn(TERNARY, 5, 5, 9, 4)
    kernel[..., 0] = 1
    form = convolution(name, kernel.shape, (1, 1), "same")
    sums = computed(lambda x, w: form.multiply_pixels(x, w, True), x, kernel)
    np.testing.assert_array_equal(sums, exact(x, kernel, 1, "same"))


@pytest.mark.parametrize(
    ("shape", "signs", "channels"),
    [
        ((2, 2, 16, 32), True, 16),  # sums of 64 products
        ((5, 5, 32, 64), True, 16),  # 400 products, even sums
        ((5, 5, 32, 64), False, 10),  # 250 products
        ((3, 3, 57, 8), True, 16),  # sums over an odd number of channels may be odd
        ((1, 1, 300, 8), True, 300),
        ((16, 16, 2, 8), False, 1),
    ],
)
def test_channels_of_one_convolution_in_bfloat16(shape, signs, channels):
    assert exact_channels(shape, signs) == channels


@pytest.mark.parametrize("shape", [(17, 16, 8, 8), (3, 3, 7, 8)])
def test_large_kernels_and_few_channels_have_no_narrow_form(shape):
    assert not convolution("bfloat16", shape, (1, 1), "valid").graph_only


@pytest.mark.parametrize("bytes_", [False, True], ids=["codes", "bytes"])
def test_gradients_in_bfloat16_are_those_of_float32_up_to_rounding(bytes_):
    kernel = tf.constant(drawn(SIGNS, 3, 3, 32, 5, seed=1))
    x = tf.constant(drawn(np.arange(256) if bytes_ else SIGNS, 4, 8, 8, 32))
    upstream = tf.constant(np.random.default_rng(1).normal(size=(4, 8, 8, 5)).astype("float32"))

    def gradients(name):
        form = convolution(name, kernel.shape, (1, 1), "same")
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            if bytes_:
                sums = form.multiply_pixels(x, kernel, True)
            else:
                sums = form.multiply(form.encode(x), kernel, True)
            value = tf.reduce_sum(tf.cast(sums, tf.float32) * upstream)
        return [gradient.numpy() for gradient in tape.gradient(value, [x, kernel])]

    for narrow, wide in zip(gradients("bfloat16"), gradients("float32"), strict=True):
        # without units for bfloat16, processors round parts of the sums to it, too
        np.testing.assert_allclose(narrow, wide, atol=0.05 * np.abs(wide).max())
        assert (narrow != wide).any()
