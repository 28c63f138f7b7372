"""Nets to export: random codes, biases and normalizations, of which some are negative or 0."""

from functools import partial

import keras
import numpy as np

from brnn.data.pixels import to_pixels
from brnn.exchange.check import reference
from brnn.exchange.reading import read
from brnn.nets import convolutional, dense, recurrent
from brnn.nets.task import Task
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation

BINARY, TERNARY = (-1.0, 1.0), (-1.0, 0.0, 1.0)
IMAGE = (5, 6)
TASK = Task(IMAGE, 4)
KEYS = {
    "activation": "tanh", "batch_normalization": True, "dropout": 0.2, "real_first": False,
    "real_last": False, "binary_input": False, "first_width": 40, "width": 32, "depth": 3,
}  # fmt: skip
NETS = {  # those whose logits are exact, by what is special about them
    "binary": {},
    "ternary": {"levels": TERNARY},
    "half": {"scale": 0.5},
    "one bit": {"binary_input": True},
    "plain": {"batch_normalization": False},
    "plain, one bit": {"batch_normalization": False, "binary_input": True},
    "ternary, plain": {"batch_normalization": False, "levels": TERNARY},
    "signs of a half": {"activation_scale": 0.5},
    "odd widths": {"first_width": 41, "width": 27},
    "sums of 0": {
        "batch_normalization": False,
        "binary_input": True,
        "first_width": 31,
        "width": 31,
    },
}


MAP = (11, 12, 3)
CONVOLUTION = {
    "filters": [6, 9], "kernels": [3, 2], "pools": [2, 1], "dense": [20], "padding": "valid",
    "pool_first": True, "activation": "tanh", "batch_normalization": True, "dropout": 0.0,
    "real_first": False, "real_last": False,
}  # fmt: skip
RECURRENT = {
    "width": 70, "depth": 2, "activation": "tanh", "quantized_state": True, "real_last": False,
}  # fmt: skip
THREE_LEVELS = partial(quantizers.ternary, scale=0.5)
CONVOLUTIONS = {  # the same with convolutions
    "valid": {},
    "zeros around": {"padding": "zero", "kernels": [5, 4]},
    "ones around": {"padding": "one"},
    "pooled signs": {"pool_first": False, "padding": "zero", "pools": [1, 3]},
    "ternary, zeros around": {"levels": TERNARY, "padding": "zero"},
    "three levels, ones around": {"activation_quantizer": THREE_LEVELS, "padding": "zero"},
    "grey": {"image": (11, 12), "dense": [], "filters": [70, 66]},
}


def model_of(
    *, levels=BINARY, scale=1.0, activation_scale=1.0, signs=True, seed=0, task=TASK, **keys
):
    """A dense net with every kind of normalization: gamma above, below and equal to 0."""
    sign = partial(quantizers.binary, scale=activation_scale)
    model = dense.dense(task, _activate(sign if signs else None), **KEYS | keys)
    return _randomized(model, levels, scale, seed)


def convolutional_of(*, levels=BINARY, activation_quantizer=None, signs=True, image=MAP, **keys):
    """A convolutional net with the same normalizations."""
    quantizer = activation_quantizer or partial(quantizers.binary, scale=1.0)
    activate = _activate(quantizer if signs else None)
    model = convolutional.convolutional(Task(image, 4), activate, **CONVOLUTION | keys)
    return _randomized(model, levels, 1.0, 0)


def recurrent_of(*, levels=BINARY, state=None, cell=recurrent.rnn, image=(9, 7), **keys):
    """A recurrent net of states that are levels, with random codes, and the shape of its inputs."""
    activate = _activate(state or partial(quantizers.binary, scale=1.0))
    keys = RECURRENT | keys
    model = cell(Task(image, 4), activate, **keys)
    return _randomized(model, levels, 1.0, 0), image


def exact_nets():
    """The parameters of tests that run over all nets whose logits are exact."""
    made = [(name, partial(model_of, **keys)) for name, keys in NETS.items()]
    made += [(name, partial(convolutional_of, **keys)) for name, keys in CONVOLUTIONS.items()]
    return {"argvalues": [make for _, make in made], "ids": [name for name, _ in made]}


def _activate(quantizer):
    def activate(name, fan_in):
        if quantizer is None:
            return keras.layers.Activation(name)
        return QuantActivation(quantizer, estimators.identity, fan_in)

    return activate


def _randomized(model, levels, scale, seed):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            kernel, bias = (rng.choice(levels, weight.shape) for weight in layer.get_weights())
            layer.set_weights([scale * kernel, scale * bias])
        elif isinstance(layer, keras.layers.RNN):
            layer.set_weights([rng.choice(levels, weight.shape) for weight in layer.get_weights()])
        elif isinstance(layer, keras.layers.BatchNormalization):
            units = layer.gamma.shape
            gamma = rng.choice([-1.5, -0.1, 0.0, 0.3, 2.0], units)
            mean, variance = rng.normal(0, 2, units).round(), rng.uniform(0.5, 9, units)
            beta = rng.normal(0, 0.3, units) * np.where(gamma == 0, 1, gamma)
            layer.set_weights([gamma, beta, mean, variance])
    return model


def images(count, seed=1, image=IMAGE):
    """Bytes; a quarter of the images have the values 0 and 255 alone, so that sums are often 0."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, *image), dtype="uint8")
    x[::4] = np.where(x[::4] < 128, 0, 255)
    return x


def evaluation(model):
    """How Keras computes a net, whose pixels are added as float32."""
    return lambda rows: np.asarray(model(to_pixels(rows)))


def logits_of(exported, x):
    """The logits that all runtimes of a file agree on, bit for bit."""
    first, *others = (logits(x) for logits in exported.runtimes.values())
    assert all(np.array_equal(first, other) for other in others)
    return first


def compared(model, form, count=500):
    """The logits of a net in a format, and those expected, of images that float32 decides."""
    net = read(model, pixels=True)
    x = images(count, image=net.shape)
    expected = reference(evaluation(model), net, x)
    decided = ~expected.undecided
    assert net.exact
    assert decided.mean() > (0.7 if net.inputs == "pixels" else 0.999)
    return logits_of(form(net), x)[decided], expected.logits[decided]
