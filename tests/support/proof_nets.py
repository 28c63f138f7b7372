"""Small random nets of the package, whose grey levels can all be tried."""

import itertools
from functools import partial

import keras
import numpy as np

from brnn.data.pixels import to_pixels
from brnn.nets import convolutional, dense
from brnn.nets.task import Task
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation

SCALES = [1.0, 0.5, 0.1, 1e-5]
CLASSES = 3


def of_quantizer(quantizer):
    return lambda name, fan_in: QuantActivation(quantizer, estimators.identity, fan_in)


def dense_net(pixels=6, activation="binary", activation_scale=1.0, **keys):
    """A net of the topology `dense`, untrained."""
    quantizer = partial(getattr(quantizers, activation), scale=activation_scale)
    options = {
        "first_width": None, "width": 7, "depth": 1, "activation": "tanh", "dropout": 0.1,
        "batch_normalization": False, "real_first": False, "real_last": False,
        "binary_input": False,
    }  # fmt: skip
    task = Task((pixels,), CLASSES)
    return dense.dense(task, of_quantizer(quantizer), **options | keys)


def convolutional_net(shape=(3, 3), activation="binary", activation_scale=1.0, **keys):
    """A net of the topology `convolutional`, untrained."""
    quantizer = partial(getattr(quantizers, activation), scale=activation_scale)
    options = {
        "filters": [3], "kernels": [2], "pools": [2], "dense": [], "padding": "one",
        "pool_first": True, "activation": "tanh", "batch_normalization": True, "dropout": 0.0,
        "real_first": False, "real_last": False,
    }  # fmt: skip
    task = Task(shape, CLASSES)
    return convolutional.convolutional(task, of_quantizer(quantizer), **options | keys)


def with_weights(model, rng, levels):
    """Give a net random weights of some levels, and normalizations of every kind."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            layer.set_weights([rng.choice(levels, weight.shape) for weight in layer.get_weights()])
        elif isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            gamma = rng.choice([1.0, 0.5, -1.0, -0.3, 0.0], size)
            beta, mean = rng.choice([-1, -0.5, 0, 0.5], size), rng.choice([-2, -0.3, 0, 1], size)
            layer.set_weights([gamma, beta, mean, rng.choice([1.0, 4.0, 0.3], size)])
    return model


def random_net(seed):
    """A net of any kind: dense or convolutional, of any scale, with real weights now and then."""
    rng = np.random.default_rng(seed)
    scale = SCALES[rng.integers(4)]
    levels = [np.array([-scale, scale]), np.array([-scale, 0, scale])][rng.integers(2)]
    if rng.integers(6) == 0:
        levels = rng.normal(size=5)  # as of a custom precision
    keys = {
        "activation": ["binary", "ternary"][rng.integers(2)],
        "activation_scale": [1.0, 0.1][rng.integers(2)],
        "batch_normalization": bool(rng.integers(2)),
    }
    if rng.integers(2):
        keys |= {"depth": 1 + int(rng.integers(2)), "binary_input": bool(rng.integers(4) == 0)}
        return with_weights(dense_net(**keys), rng, levels)
    keys |= {
        "padding": ["valid", "zero", "one"][rng.integers(3)],
        "pool_first": bool(rng.integers(2)),
        "dense": [[], [4]][rng.integers(2)],
    }
    return with_weights(convolutional_net(**keys), rng, levels)


def residual_net(seed):
    """A net of the topology `residual`, whose normalizations keep its sums near 0."""
    rng = np.random.default_rng(seed)
    shape = [(3, 3), (2, 2, 2), (3, 2, 1)][rng.integers(3)]
    quantizer = partial(quantizers.binary, scale=[1.0, 0.1][rng.integers(2)])
    keys = {"stages": 1 + int(rng.integers(2)), "padding": ["zero", "one"][rng.integers(2)]}
    model = convolutional.residual(
        Task(shape, CLASSES), of_quantizer(quantizer), width=2, blocks=1, groups=1,
        activation="tanh", rsign=bool(rng.integers(2)), rprelu=bool(rng.integers(2)),
        real_last=True, **keys,
    )  # fmt: skip
    images = to_pixels(rng.integers(126, 131, (64, *shape)).astype("uint8"))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            x = np.asarray(keras.Model(model.inputs[0], layer.input)(images))
            x = x.reshape(-1, x.shape[-1])
            gamma, beta = rng.normal(size=(2, x.shape[1]))
            layer.set_weights([gamma, 0.3 * beta, x.mean(axis=0), x.var(axis=0) + 1e-3])
        elif isinstance(layer, keras.layers.EinsumDense):
            layer.bias.assign(0.3 * rng.normal(size=layer.bias.shape))
        elif isinstance(layer, keras.layers.PReLU):
            layer.alpha.assign(rng.choice([-0.5, 0, 0.25, 1, 1.5], layer.alpha.shape))
        elif isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            real = layer.name.startswith("real")
            layer.set_weights(
                [
                    rng.normal(size=w.shape) if real else rng.choice([-1.0, 1.0], w.shape)
                    for w in layer.get_weights()
                ]
            )
    return model


def image_of(model, seed):
    """Bytes near a half, if possible with images of several classes around them."""
    rng, shape = np.random.default_rng(seed), model.inputs[0].shape[1:]
    levels, around = zip(
        *((rng.integers(126, 130, shape), rng.integers(-1, 2, (300, *shape))) for _ in range(10)),
        strict=True,
    )
    images = np.stack(levels)[:, None] + np.stack(around)
    classes = class_of(model, images.reshape(-1, *shape)).reshape(10, 300)
    several = (classes != classes[:, :1]).any(axis=1)
    return levels[several.argmax() if several.any() else -1].astype("uint8")


def neighbours(levels):
    """All images whose grey levels differ by at most 1."""
    choices = [np.arange(level - 1, level + 2) for level in levels.ravel().astype("int64")]
    return np.array(list(itertools.product(*choices))).reshape(-1, *levels.shape)


def class_of(model, images):
    return np.asarray(model(to_pixels(images.astype("uint8")))).argmax(axis=-1)
