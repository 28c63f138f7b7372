"""The lines of docs/how-to/from-other-libraries.md give the numbers of the published formulas."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn import Data, QuantManager, fit

PAGE = Path(__file__).parents[1] / "docs/how-to/from-other-libraries.md"
PART = "## Lines that give the same numbers\n(.*?)\n## "
X = np.float32([-3, -1.5, -1, -0.75, -0.4, -0.1, 0.1, 0.2, 0.4, 0.55, 0.75, 1, 1.2, 3])
UPSTREAM = np.linspace(-2, 3, len(X)).astype("float32")


@pytest.fixture(scope="module")
def lines():
    """The names that the blocks of the page define."""
    (part,) = re.findall(PART, PAGE.read_text(), re.DOTALL)
    names = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", part, re.DOTALL)), names)
    return names


def sign(x):
    return np.where(x >= 0, 1, -1).astype("float32")


def ste_sign(x):
    """Hubara et al. 2016: sign, and the gradient where |x| <= 1."""
    return sign(x), np.abs(x) <= 1


def approx_sign(x):
    """Liu et al. 2018: the derivative of two parabolas."""
    return sign(x), np.where(np.abs(x) <= 1, 2 - 2 * np.abs(x), 0)


def swish_sign(x, beta=5.0):
    """Darabi et al. 2018, as Larq states it."""
    z = beta * np.float64(x)
    return sign(x), beta * (2 - z * np.tanh(z / 2)) / (1 + np.cosh(z))


def ste_heaviside(x):
    """Larq: 1 above 0, and the gradient where |x| <= 1."""
    return (x > 0).astype("float32"), np.abs(x) <= 1


def dorefa_2(x):
    """Zhou et al. 2016, equation 5, with k = 2: thirds of [0, 1]."""
    return np.round(np.clip(x, 0, 1) * 3) / 3, (x >= 0) & (x <= 1)


@pytest.mark.parametrize(
    "formula",
    [ste_sign, approx_sign, swish_sign, ste_heaviside, dorefa_2],
    ids=lambda f: f.__name__,
)
def test_levels_and_gradients_are_those_of_the_formula(lines, formula):
    layer, x = lines[formula.__name__](fan_in=3), tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    levels, slope = formula(X)
    np.testing.assert_allclose(y, levels, rtol=1e-6)
    gradient = tape.gradient(y, x, output_gradients=UPSTREAM)
    np.testing.assert_allclose(gradient, slope * UPSTREAM, rtol=1e-5, atol=1e-6)


def test_weights_of_dorefa_have_the_levels_of_the_paper(lines):
    """Equation 9 with k = 2: 2 quantize(tanh w / (2 max |tanh w|) + 1/2) - 1."""
    w = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    t = np.tanh(np.float64(w))
    expected = 2 * np.round((t / (2 * np.abs(t).max()) + 0.5) * 3) / 3 - 1
    np.testing.assert_allclose(lines["dorefa_2_weights"].quantizer(w, None), expected, atol=1e-6)


def stepped(manager, x, optimizer, rate, steps=1):
    """Train on one batch, whose loss is the sum of the outputs."""
    y = np.zeros(len(x), "float32")
    data = Data((x, y), (x[:0], y[:0]), (x, y), classes=1, source="generated")
    loss = lambda labels, outputs: keras.ops.sum(outputs, axis=-1)  # noqa: E731
    keys = {"batch_size": len(x), "optimizer": optimizer, "loss": loss, "learning_rate": rate}
    list(fit(manager, data, epochs=steps, **keys))
    return manager.model.trainable_variables


def test_quant_dense_with_weight_clip_takes_the_step_of_larq(lines):
    inputs = keras.Input((4,))
    manager = QuantManager(
        keras.Model(inputs, lines["quant_dense"](inputs, 1)), [lines["weight_clip"]]
    )
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(6, 4)).astype("float32"), np.float32([[0.9], [-0.95], [0.1], [-0.2]])
    manager.model.set_weights([w, np.float32([0.5])])
    np.testing.assert_allclose(manager(x), sign(x) @ sign(w) + 0.5)
    kernel, bias = stepped(manager, x, keras.optimizers.SGD(), rate=0.5)
    gradient = sign(x).mean(axis=0)[:, None] * (np.abs(w) <= 1)  # ste_sign of the kernel
    expected = np.clip(w - 0.5 * gradient, -1, 1)
    assert (np.abs(expected) == 1).any()
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    np.testing.assert_allclose(bias, [0.0], atol=1e-6)


def test_quant_conv2d_pads_signs_with_1(lines):
    inputs = keras.Input((4, 5, 2))
    manager = QuantManager(
        keras.Model(inputs, lines["quant_conv2d"](inputs, 3, 3)), [lines["weight_clip"]]
    )
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=shape).astype("float32") for shape in ((2, 4, 5, 2), (3, 3, 2, 3)))
    manager.model.set_weights([w, np.zeros(3)])
    padded = np.pad(sign(x), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    expected = np.zeros((2, 4, 5, 3))
    for i in range(4):
        for j in range(5):
            window = padded[:, i : i + 3, j : j + 3]
            expected[:, i, j] = np.einsum("nabc,abcf->nf", window, sign(w))
    np.testing.assert_allclose(manager(x), expected)


def test_bop_flips_what_larq_flips(lines):
    """Helwegen et al. 2019, algorithm 1."""
    inputs = keras.Input((3,))
    layer = keras.layers.Dense(1, use_bias=False)
    manager = QuantManager(keras.Model(inputs, layer(inputs)), [lines["weight_clip"]])
    w = np.float32([[1.0], [-1.0], [1.0]])
    manager.model.set_weights([w])
    bop = lines["bop"](manager)
    assert (bop.gamma, bop.threshold) == (1e-4, 1e-8)
    x = np.float32([[0.5, 0.5, 1e-5], [0.5, 0.5, 1e-5]])
    (kernel,) = stepped(manager, x, bop, rate=1e-3)
    # times gamma the gradients are 5e-5, 5e-5 and 1e-9: the first weight flips, the second has the
    # other sign, and the mean gradient of the third is below the threshold of 1e-8
    np.testing.assert_array_equal(kernel, [[-1.0], [-1.0], [1.0]])
