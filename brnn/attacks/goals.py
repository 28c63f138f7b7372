"""What an attack wants and what it may do: a goal to raise, and a ball to stay in.

Attacks are written in these two terms, so that targeted and untargeted, every loss and every norm stand once.
"""

import numpy as np
import tensorflow as tf

IDLE = 0.05  # share of a batch that may have reached the goal before it is taken out
TINY = 1e-12  # keeps a norm or a range of logits from being divided by as 0


class Goal:
    """That `net` gives another class than `labels`, or, `targeted`, just that; one label per image.

    `loss` is what an attack raises in its stead: `cross_entropy` of the logits over `temperature` (one per image, or
    one for all), the `margin` between the logits, or `dlr`, the margin over the range of the largest logits, which
    does not change where all logits are scaled (Croce and Hein 2020, arXiv:2003.01690; its targeted form is theirs
    but for the true class, in whose place stands the largest other logit).
    """

    def __init__(self, net, labels, targeted: bool, loss: str = "cross_entropy", temperature=1.0):
        self.net = net
        self.labels = labels
        self.targeted = targeted
        self.loss = loss
        self.temperature = tf.broadcast_to(tf.cast(temperature, tf.float32), tf.shape(labels))

    def of(self, rows) -> "Goal":
        """The same goal for some of the images."""
        labels, temperature = tf.gather(self.labels, rows), tf.gather(self.temperature, rows)
        return Goal(self.net, labels, self.targeted, self.loss, temperature)

    def reached(self, logits):
        """Whether each image is where the attack wants it."""
        classes = tf.argmax(logits, axis=-1, output_type=self.labels.dtype)
        return classes == self.labels if self.targeted else classes != self.labels

    def value(self, logits):
        """What the attack raises, one number per image."""
        if self.loss == "cross_entropy":
            scaled = logits / self.temperature[:, None]
            value = tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, scaled)
        else:
            value = self.margin(logits)
        if self.loss == "dlr":
            top = tf.math.top_k(logits, min(4, logits.shape[-1])).values
            low = (top[:, 2] + top[:, -1]) / 2 if self.targeted else top[:, 2]
            span = top[:, 0] - low
            value /= tf.where(span > TINY, span, 1.0)  # whole numbers may all be equal
        return -value if self.targeted else value

    def margin(self, logits):
        """The largest other logit minus that of the label."""
        own = tf.gather(logits, self.labels, axis=-1, batch_dims=1)
        taken = tf.one_hot(self.labels, logits.shape[-1], on_value=float("inf"), off_value=0.0)
        return tf.reduce_max(logits - taken, axis=-1) - own

    def gradient(self, x):
        """The gradient of the value with respect to `x`, the value, and whether `x` reaches the goal."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            logits = self.net(x)
            value = self.value(logits)
        gradient = tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return gradient, value, self.reached(logits)


class Ball:
    """The images within `epsilon` of `center` in the norm `linf` or `l2`, with pixels in [0, 1]."""

    def __init__(self, center, epsilon, norm: str):
        self.center = center
        self.epsilon = epsilon
        self.norm = norm
        reach = epsilon if norm == "linf" else 1.0
        self.low, self.high = tf.maximum(center - reach, 0.0), tf.minimum(center + reach, 1.0)

    def of(self, rows) -> "Ball":
        """The balls of some of the images."""
        return Ball(tf.gather(self.center, rows), self.epsilon, self.norm)

    def project(self, x):
        """The image nearest to `x` in the ball; in L2 one near to it."""
        if self.norm == "l2":
            change = x - self.center
            x = self.center + change * tf.minimum(
                1.0, self.epsilon / tf.maximum(length(change, "l2"), TINY)
            )
        return tf.clip_by_value(x, self.low, self.high)

    def direction(self, gradient):
        """The step of length 1 that raises the goal most; none where the gradient is zero."""
        return steepest(gradient, self.norm)

    def random(self, seed):
        """Uniform in the ball, before pixels are clipped to [0, 1]."""
        shape = tf.shape(self.center)
        if self.norm == "linf":
            return self.project(
                self.center + tf.random.stateless_uniform(shape, seed, -self.epsilon, self.epsilon)
            )
        way, share = (
            tf.random.stateless_normal(shape, seed),
            tf.random.stateless_uniform(shape[:1], fold(seed, 1)),
        )
        radius = self.epsilon * share ** (1 / tf.cast(tf.reduce_prod(shape[1:]), tf.float32))
        return self.project(self.center + per_image(radius, way) * steepest(way, "l2"))


def ascend(goal, ball, x, step, iterations):
    """`iterations` projected steps of `step` epsilon up the goal, from `x`."""

    def move(taken, x):
        gradient, _, _ = goal.gradient(x)
        return taken + 1, ball.project(x + step * ball.epsilon * ball.direction(gradient))

    return tf.while_loop(lambda taken, _: taken < iterations, move, (0, x))[1]


def ascend_until_reached(goal, ball, x, step, iterations):
    """`ascend`, but an image that reaches the goal stays as it is, and soon costs nothing more.

    Images that stay are taken out of the batch only when they are many, since that means copying the others.
    """

    def walk(taken, x, left):
        near, wish = ball.of(left), goal.of(left)

        def move(taken, moving, _):
            gradient, _, reached = wish.gradient(moving)
            size = tf.where(reached, 0.0, step * near.epsilon)
            return (
                taken + 1,
                near.project(moving + per_image(size, x) * near.direction(gradient)),
                reached,
            )

        def few_reached(taken, _, reached):
            return (taken < iterations) & (tf.reduce_mean(tf.cast(reached, tf.float32)) <= IDLE)

        nowhere = tf.zeros_like(left, tf.bool)
        taken, moving, reached = loop(few_reached, move, taken, tf.gather(x, left), nowhere)
        return (
            taken,
            tf.tensor_scatter_nd_update(x, left[:, None], moving),
            tf.boolean_mask(left, ~reached),
        )

    def some_left(taken, _, left):
        return (taken < iterations) & (tf.size(left) > 0)

    return loop(some_left, walk, 0, x, tf.range(tf.shape(x)[0]))[1]


def repeat(count, body, *state):
    """The state after `state = body(number, *state)` for each number below `count`, as one loop of the graph."""

    def counted(number, *state):
        return number + 1, *body(number, *state)

    return loop(lambda number, *_: number < count, counted, 0, *state)[1:]


def loop(going, body, *state):
    """The state after `state = body(*state)` while `going(*state)`, as one loop of the graph; batches may shrink."""
    state = tf.nest.map_structure(tf.convert_to_tensor, state)
    shapes = tf.nest.map_structure(
        lambda one: tf.TensorShape([None, *one.shape[1:]] if one.shape.rank else []), state
    )
    return tf.while_loop(going, body, state, shape_invariants=shapes)


def steepest(gradient, norm: str):
    """The direction of a gradient with length 1 in a norm: its sign in L-inf."""
    return (
        tf.sign(gradient) if norm == "linf" else gradient / tf.maximum(length(gradient, "l2"), TINY)
    )


def length(x, norm: str):
    """The norm of each image, in a shape that broadcasts over `x`."""
    return per_image(
        tf.norm(tf.reshape(x, (tf.shape(x)[0], -1)), axis=1, ord=np.inf if norm == "linf" else 2), x
    )


def per_image(values, x):
    """One value per image, in a shape that broadcasts over `x`."""
    return tf.reshape(values, (-1, *[1] * (len(x.shape) - 1)))


def fold(seed, number):
    """Another seed for each number."""
    return tf.random.fold_in(seed, number)
