"""Convolutional nets.

Shapes: inputs (n, height, width) or (n, height, width, channels); feature maps (n, h, w, filters);
logits (n, classes). Layers named `real_…` are not discretized.
"""

from functools import partial
from typing import Literal

import keras
from keras import ops

from brnn.config.maps import check_blocks, check_groups, check_stages
from brnn.config.ranges import Count, ProperShare
from brnn.contracts import Activate, Array
from brnn.errors import ConfigError
from brnn.nets.dense import BATCH_NORMALIZATION_MOMENTUM
from brnn.nets.inputs import normalized
from brnn.nets.task import Task

Padding = Literal["valid", "zero", "one"]


def convolutional(
    task: Task,
    activate: Activate,
    *,
    filters: list[Count],
    kernels: list[Count],
    pools: list[Count],
    dense: list[Count],
    padding: Padding,
    pool_first: bool,
    activation: str,
    batch_normalization: bool,
    dropout: ProperShare,
    real_first: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of convolutions, then dense layers: images to logits.

    A block is a convolution, max-pooling and batch normalization if wanted, and the activation.

    Args:
        task: the shape of one image and the number of classes.
        activate: returns the hidden activations.
        filters: output channels of each convolution.
        kernels: height and width of each convolution's kernel.
        pools: height and width of the windows of max-pooling in each block; 1 for no pooling.
        dense: units of each dense layer before the output layer.
        padding: `valid` for none; else maps keep their size, padded with 0 or with 1. Zeros are a
            third level beside activations of -1 and 1.
        pool_first: pool before the activation, on the sums, else after it. The maximum of signs is
            1 almost everywhere.
        activation: name in Keras of the hidden activation where the precision quantizes none.
        batch_normalization: normalize after every convolution and dense layer, the output layer
            included.
        dropout: share of units of each dense layer that a training step leaves out.
        real_first: keep the first convolution real-valued.
        real_last: keep the output layer real-valued.

    Raises:
        ConfigError: inputs are not images, an image is too small for a kernel or a window, or the
            lists of blocks differ in length.

    References:
        presets: Courbariaux et al. 2016, arXiv:1602.02830 (`lenet`, `vgg_small`); Umuroglu et al.
        2017, arXiv:1612.07119 (`cnv`); Postovan and Erascu 2023, arXiv:2310.03033 (`traffic30`).
    """
    inputs, x = _images(task)
    check_blocks(task.shape, filters, kernels, pools, padding)
    normalize = partial(_normalized, wanted=batch_normalization)
    for index, (channels, kernel, pool) in enumerate(zip(filters, kernels, pools, strict=True)):
        name = "real_first" if real_first and index == 0 else f"convolution_{index}"
        fan_in = kernel * kernel * x.shape[-1]
        x = _convolved(x, channels, kernel, padding, name)
        if pool_first:
            x = _pooled(x, pool)
        x = activate(activation, fan_in)(normalize(x, f"normalization_{index}"))
        if not pool_first:
            x = _pooled(x, pool)
    x = keras.layers.Flatten()(x)
    for index, units in enumerate(dense):
        fan_in = x.shape[-1]
        x = normalize(keras.layers.Dense(units, name=f"hidden_{index}")(x), f"dense_{index}")
        x = activate(activation, fan_in)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    return keras.Model(inputs, normalize(x, "normalization_logits"))


def residual(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    stages: Count,
    blocks: Count,
    groups: Count,
    padding: Literal["zero", "one"],
    activation: str,
    rsign: bool,
    rprelu: bool,
    real_last: bool,
) -> keras.Model:
    """Return a residual net with a real-valued shortcut around each convolution of 3 by 3.

    A layer is x + normalize(convolve(activate(x))). The first layer of each stage but the first
    halves the maps and doubles the channels; its shortcut is average pooling and a real-valued
    convolution of 1 by 1. The first convolution is real-valued.

    Args:
        task: the shape of one image and the number of classes.
        activate: returns the hidden activations.
        width: channels of the first stage.
        stages: groups of layers; each has maps of half the size and twice the channels.
        blocks: pairs of layers of a stage; 3 stages of 3 blocks are a net of 20 layers.
        groups: groups of channels that the convolutions of 3 by 3 keep apart; each product sums
            over the channels of one group.
        padding: maps are padded with 0 or with 1; 0 is a third level beside -1 and 1.
        activation: name in Keras of the activation where the precision quantizes none.
        rsign: add a learned shift of each channel before each activation.
        rprelu: after each sum, learned shifts before and after a PReLU of each channel.
        real_last: keep the output layer real-valued.

    Raises:
        ConfigError: inputs are not images, an image is too small for the stages, or the channels
            are not a multiple of the groups.

    References:
        Liu et al. 2018, arXiv:1808.00278 (Bi-Real net); He et al. 2016, arXiv:1512.03385; Liu et
        al. 2020, arXiv:2003.03488 (ReActNet: RSign and RPReLU).
    """
    check_groups(width, groups)
    inputs, x = _images(task)
    check_stages(task.shape, stages)
    x = _normalized(_convolved(x, width, 3, padding, "real_first"), "normalization_first")
    for stage in range(stages):
        for layer in range(2 * blocks):
            name = f"{stage}_{layer}"
            shortcut, strides = x, 1
            if stage and not layer:
                shortcut, strides = _halved(x, 2 * x.shape[-1], f"real_shortcut_{name}"), 2
            fan_in = 9 * x.shape[-1] // groups
            x = activate(activation, fan_in)(_shifted(x, f"real_before_sign_{name}", rsign))
            filters, name_ = shortcut.shape[-1], f"convolution_{name}"
            x = _convolved(x, filters, 3, padding, name_, strides=strides, groups=groups)
            x = _normalized(x, f"normalization_{name}")
            x = _rectified(keras.layers.Add(name=f"sum_{name}")([x, shortcut]), name, rprelu)
    x = keras.layers.GlobalAveragePooling2D()(x)
    name = "real_logits" if real_last else "logits"
    return keras.Model(inputs, keras.layers.Dense(task.classes, name=name)(x))


def _images(task: Task) -> tuple[Array, Array]:
    """Return the input of a net, and the images with an axis of channels."""
    if task.tokens or task.per_step or len(task.shape) not in (2, 3):
        raise ConfigError(
            "a convolutional topology reads images of shape (height, width) or (height, width,"
            f" channels), got {task.shape}: use a dense one"
        )
    inputs = keras.Input(task.shape)
    x, shape = normalized(task, inputs), (*task.shape, 1)[:3]
    return inputs, x if shape == task.shape else keras.layers.Reshape(shape)(x)


def _convolved(
    x: Array, filters: int, kernel: int, padding: Padding, name: str, **keys: int
) -> Array:
    if padding != "valid" and kernel > 1:
        around = ((kernel - 1) // 2, kernel // 2)
        if padding == "zero":
            x = keras.layers.ZeroPadding2D((around, around))(x)
        else:
            x = ops.pad(x, ((0, 0), around, around, (0, 0)), constant_values=1.0)
    return keras.layers.Conv2D(filters, kernel, name=name, **keys)(x)


def _shifted(x: Array, name: str, wanted: bool) -> Array:
    """Return x plus a learned number for each channel; the factors of the layer stay 1."""
    if not wanted:
        return x
    shift = keras.layers.EinsumDense(
        "abcd,d->abcd", x.shape[1:], bias_axes="d", kernel_initializer="ones", name=name
    )
    x = shift(x)
    shift.kernel.trainable = False
    return x


def _rectified(x: Array, name: str, wanted: bool) -> Array:
    """Return x - g + z above g and b (x - g) + z below it, with learned b, g and z (RPReLU)."""
    if not wanted:
        return x
    x = _shifted(x, f"real_before_prelu_{name}", True)
    quarter = keras.initializers.Constant(0.25)
    x = keras.layers.PReLU(quarter, shared_axes=[1, 2], name=f"real_prelu_{name}")(x)
    return _shifted(x, f"real_after_prelu_{name}", True)


def _pooled(x: Array, pool: int) -> Array:
    return x if pool == 1 else keras.layers.MaxPooling2D(pool)(x)


def _halved(x: Array, filters: int, name: str) -> Array:
    x = keras.layers.AveragePooling2D(2, padding="same")(x)
    return _normalized(keras.layers.Conv2D(filters, 1, name=name)(x), f"normalization_{name}")


def _normalized(x: Array, name: str, wanted: bool = True) -> Array:
    if not wanted:
        return x
    return keras.layers.BatchNormalization(momentum=BATCH_NORMALIZATION_MOMENTUM, name=name)(x)
