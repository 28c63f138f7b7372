"""The two terms that attacks are written in: a goal to raise in a ball around each image.

So targeted and untargeted attacks, losses and norms are each written once. Shapes: images x
(n, *d) with pixels in [0, 1], logits (n, C), labels (n,), one value or seed per call or per image.
"""

import numpy as np
import tensorflow as tf

from brnn.errors import ConfigError

IDLE = 0.05  # share of a batch that may be finished before it is taken out
TINY = 1e-12  # in place of a norm or a range of logits that is 0 and divided by


class Goal:
    """A class to leave or, in a targeted attack, to reach, and the loss that is raised for it.

    The losses, with logits z, label y, and j the largest other class:

        cross_entropy   -log softmax(z / temperature)_y
        margin          z_j - z_y
        dlr             (z_j - z_y) / (z_(1) - z_(3)), where z_(k) is the k-th largest logit;
                        targeted: (z_j - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)

    A targeted attack raises the negative. dlr does not change where all logits are scaled.

    Args:
        net: images to logits.
        labels: the class (n,) that each image is to leave, or to reach if `targeted`.
        targeted: whether a label is to be reached.
        loss: `cross_entropy`, `margin` or `dlr`.
        temperature: one, or one per image; only the cross-entropy uses it.

    References:
        Croce and Hein 2020, arXiv:2003.01690, for dlr; their targeted form has the true class where
        this one has the largest other class.
    """

    def __init__(self, net, labels, targeted: bool, loss: str = "cross_entropy", temperature=1.0):
        self.net = net
        self.labels = labels
        self.targeted = targeted
        self.loss = loss
        self.temperature = tf.broadcast_to(tf.cast(temperature, tf.float32), tf.shape(labels))

    def take(self, rows) -> "Goal":
        """Return the same goal for some of the images."""
        labels, temperature = tf.gather(self.labels, rows), tf.gather(self.temperature, rows)
        return Goal(self.net, labels, self.targeted, self.loss, temperature)

    def reached(self, logits):
        """Return whether each image reaches the goal (n,)."""
        classes = tf.argmax(logits, axis=-1, output_type=self.labels.dtype)
        return classes == self.labels if self.targeted else classes != self.labels

    def value(self, logits):
        """Return the loss that the attack raises, one number per image."""
        if self.loss == "cross_entropy":
            scaled = logits / self.temperature[:, None]
            value = tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, scaled)
        else:
            value = self.margin(logits)
        if self.loss == "dlr":
            check_classes(self.loss, logits.shape[-1])
            top = tf.math.top_k(logits, min(4, logits.shape[-1])).values
            low = (top[:, 2] + top[:, -1]) / 2 if self.targeted else top[:, 2]
            span = top[:, 0] - low
            value /= tf.where(span > TINY, span, 1.0)  # integer logits may all be equal
        return -value if self.targeted else value

    def margin(self, logits):
        """Return the largest other logit minus that of the label."""
        of_label = tf.gather(logits, self.labels, axis=-1, batch_dims=1)
        mask = tf.one_hot(self.labels, logits.shape[-1], on_value=float("inf"), off_value=0.0)
        return tf.reduce_max(logits - mask, axis=-1) - of_label

    def gradient(self, x):
        """Return the gradient of the value at `x`, the value, and whether the goal is reached."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = self.net(x)
            value = self.value(logits)
        gradient = tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return gradient, value, self.reached(logits)


class Ball:
    """The images within `epsilon` of `center` in the norm `linf` or `l2`, pixels in [0, 1]."""

    def __init__(self, center, epsilon, norm: str):
        self.center = center
        self.epsilon = epsilon
        self.norm = norm
        reach = epsilon if norm == "linf" else 1.0
        self.low, self.high = tf.maximum(center - reach, 0.0), tf.minimum(center + reach, 1.0)

    def take(self, rows) -> "Ball":
        """Return the balls of some of the images."""
        return Ball(tf.gather(self.center, rows), self.epsilon, self.norm)

    def project(self, x):
        """Return the image nearest to `x` in the ball; in L2 nearly: scaled, then clipped."""
        if self.norm == "l2":
            change = x - self.center
            x = self.center + change * tf.minimum(
                1.0, self.epsilon / tf.maximum(length(change, "l2"), TINY)
            )
        return tf.clip_by_value(x, self.low, self.high)

    def direction(self, gradient):
        """Return the step of length 1 that raises the value most; 0 where the gradient is 0."""
        return steepest(gradient, self.norm)

    def random(self, seed):
        """Return images drawn uniformly from the ball, before pixels are clipped to [0, 1]."""
        shape = tf.shape(self.center)
        if self.norm == "linf":
            return self.project(
                self.center + tf.random.stateless_uniform(shape, seed, -self.epsilon, self.epsilon)
            )
        direction = tf.random.stateless_normal(shape, seed)
        share = tf.random.stateless_uniform(shape[:1], fold(seed, 1))
        radius = self.epsilon * share ** (1 / tf.cast(tf.reduce_prod(shape[1:]), tf.float32))
        return self.project(self.center + per_image(radius, direction) * steepest(direction, "l2"))


def ascend(goal, ball, x, step, iterations):
    """Return images after projected steps that raise the value of a goal.

    Args:
        goal: what is raised, a `Goal` or anything with its method `gradient`.
        ball: the `Ball` that images are projected to.
        x: the images to begin with (n, *d).
        step: length of a step, in units of epsilon.
        iterations: number of steps.
    """

    def move(taken, x):
        gradient, _, _ = goal.gradient(x)
        return taken + 1, ball.project(x + step * ball.epsilon * ball.direction(gradient))

    return tf.while_loop(lambda taken, _: taken < iterations, move, (0, x))[1]


def ascend_until_reached(goal, ball, x, step, iterations):
    """Return the result of `ascend`; images that reach the goal stay as they are.

    Finished images leave the batch once they are more than a share `IDLE` of it, since taking them
    out copies the others.

    Args:
        goal: see `ascend`.
        ball: see `ascend`.
        x: see `ascend`.
        step: see `ascend`.
        iterations: the largest number of steps.
    """

    def walk(taken, x, rows):
        open_ball, open_goal = ball.take(rows), goal.take(rows)

        def move(taken, moving, _):
            gradient, _, reached = open_goal.gradient(moving)
            size = tf.where(reached, 0.0, step * open_ball.epsilon)
            moved = moving + per_image(size, x) * open_ball.direction(gradient)
            return taken + 1, open_ball.project(moved), reached

        def few_reached(taken, _, reached):
            return (taken < iterations) & (tf.reduce_mean(tf.cast(reached, tf.float32)) <= IDLE)

        none = tf.zeros_like(rows, tf.bool)
        taken, moving, reached = loop(few_reached, move, taken, tf.gather(x, rows), none)
        x = tf.tensor_scatter_nd_update(x, rows[:, None], moving)
        return taken, x, tf.boolean_mask(rows, ~reached)

    def some_remain(taken, _, rows):
        return (taken < iterations) & (tf.size(rows) > 0)

    return loop(some_remain, walk, 0, x, tf.range(tf.shape(x)[0]))[1]


def check_classes(loss, classes, key="attack.loss"):
    """Check that a loss is defined for this number of classes.

    Args:
        loss: its name.
        classes: their number.
        key: the key that names the loss, for the message.

    Raises:
        ConfigError: it needs more.
    """
    if loss == "dlr" and classes < 3:
        raise ConfigError(f"{key}: dlr needs at least 3 classes, got {classes}; use margin")


def repeat(count, body, *state):
    """Return the state after `state = body(number, *state)` for each number below `count`."""

    def counted(number, *state):
        return number + 1, *body(number, *state)

    return loop(lambda number, *_: number < count, counted, 0, *state)[1:]


def loop(condition, body, *state):
    """Return the state after `state = body(*state)` while a condition holds; batches may shrink."""
    state = tf.nest.map_structure(tf.convert_to_tensor, state)
    shapes = tf.nest.map_structure(
        lambda tensor: tf.TensorShape([None, *tensor.shape[1:]] if tensor.shape.rank else []),
        state,
    )
    return tf.while_loop(condition, body, state, shape_invariants=shapes)


def random_signs(shape, seed):
    """Return -1 or 1, each with probability 1/2."""
    return tf.where(tf.random.stateless_uniform(shape, seed) < 0.5, -1.0, 1.0)


def steepest(gradient, norm: str):
    """Return the direction of a gradient with length 1 in a norm: in L-inf its sign."""
    if norm == "linf":
        return tf.sign(gradient)
    return gradient / tf.maximum(length(gradient, "l2"), TINY)


def length(x, norm: str):
    """Return the norm of each image, (n, 1, …), which broadcasts over `x`."""
    flat = tf.reshape(x, (tf.shape(x)[0], -1))
    return per_image(tf.norm(flat, axis=1, ord=np.inf if norm == "linf" else 2), x)


def per_image(values, x):
    """Return one value per image (n,) as (n, 1, …), which broadcasts over `x`."""
    return tf.reshape(values, (-1, *[1] * (len(x.shape) - 1)))


def fold(seed, number):
    """Return another seed for each number."""
    return tf.random.fold_in(seed, number)
