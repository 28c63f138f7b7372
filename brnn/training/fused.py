"""Layers between two products in graph mode, in few passes over memory.

There Keras computes batch normalization and quantized activations by many operations, each of which
reads and writes all values, and TensorFlow's gradient of max-pooling runs on one core. Here batch
normalization is one operation, and XLA joins the others. Shapes: x (n, height, width, channels).
"""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from brnn.contracts import Array


def normalized(
    layer: keras.layers.BatchNormalization, x: Array, scale: float, shift: Array | None
) -> Array:
    """Return what batch normalization makes of `scale (x + shift)` in training.

    The shift changes the moving mean alone. Moving statistics change as in Keras. Statistics are
    float32; the result, and the gradient with respect to `x`, have the type of `x`.

    Args:
        layer: normalizes each channel.
        x: its inputs before they are scaled, float32 or bfloat16.
        scale: positive.
        shift: one number for each channel; None for 0.
    """
    shape = layer.moving_mean.shape
    offset = tf.convert_to_tensor(layer.beta) if layer.center else tf.zeros(shape)
    if shift is not None:
        offset += 0.0 * shift  # it has a gradient, which is 0
    result = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones(shape),
        offset=offset,
        mean=tf.zeros(shape),
        variance=tf.zeros(shape),
        epsilon=layer.epsilon / scale**2,
        is_training=True,
    )
    rows = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
    mean = scale * (result.batch_mean if shift is None else result.batch_mean + shift)
    variance = result.batch_variance * (scale**2 * (rows - 1) / rows)  # TensorFlow has rows - 1
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + tf.stop_gradient(value) * (1 - layer.momentum))
    return result.y


def pooled(x: Array, size: int) -> Array:
    """Return the maxima of squares that do not overlap, as `keras.layers.MaxPooling2D(size)`.

    The gradient goes to the first of equal maxima, row by row, as TensorFlow's does.
    """

    @tf.custom_gradient
    def call(x: Array) -> tuple[Array, Callable]:
        largest = tf.nn.max_pool2d(x, size, size, "VALID")
        return largest, lambda upstream: by_xla(_of_first)(upstream, x, largest, size)

    return call(x)


def _of_first(upstream: Array, x: Array, largest: Array, size: int) -> Array:
    """Return at the first maximum of each square its gradient, and 0 elsewhere."""
    rows, columns, channels = largest.shape[1:]
    height, width = rows * size, columns * size
    squares = tf.reshape(x[:, :height, :width], (-1, rows, size, columns, size, channels))
    taken, gradients = tf.zeros_like(largest, tf.bool), []
    for i in range(size):
        row = []
        for j in range(size):
            hit = tf.equal(squares[:, :, i, :, j], largest) & ~taken
            taken |= hit
            row.append(tf.where(hit, upstream, tf.zeros_like(upstream)))
        gradients.append(tf.stack(row, axis=3))
    inner = tf.reshape(tf.stack(gradients, axis=2), (-1, height, width, channels))
    return tf.pad(inner, [[0, 0], [0, x.shape[1] - height], [0, x.shape[2] - width], [0, 0]])


def joined(
    function: Callable[..., Array],
    inputs: Sequence[Array],
    variables: Sequence[keras.Variable],
    changed: Sequence[keras.Variable],
) -> Array:
    """Return `function(*inputs)`, computed by XLA; the gradient computes it again.

    Args:
        function: operations that XLA joins into few loops.
        inputs: those that have a gradient.
        variables: those that it reads.
        changed: those of them that it changes.
    """
    values = [tf.convert_to_tensor(variable) for variable in variables]

    def run(*inputs: Array) -> list[Array]:
        state = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=state) as scope:
            outputs = function(*inputs)
        return [outputs, *(scope.get_current_value(variable) for variable in changed)]

    def gradients(upstream: Array, *inputs: Array) -> list[Array]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = run(*inputs)[0]
        return tape.gradient(outputs, inputs, upstream, tf.UnconnectedGradients.ZERO)

    @tf.custom_gradient
    def call(*inputs: Array) -> tuple[list[Array], Callable]:
        return by_xla(run)(*inputs), lambda upstream, *_: by_xla(gradients)(upstream, *inputs)

    outputs, *updates = call(*inputs)
    for variable, update in zip(changed, updates, strict=True):
        variable.assign(update)
    return outputs


def by_xla(function: Callable) -> Callable:
    """Return a function that XLA compiles, also where graph mode runs what calls it."""
    return tf.function(function, jit_compile=True, autograph=False)
