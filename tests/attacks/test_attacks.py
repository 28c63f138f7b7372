"""Attacks: they keep their budget, do what their paper says and break what can be broken; same seed, same bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn.attacks import auto_pgd, goals, squares
from brnn.attacks.batches import perturbed
from brnn.config import groups

OPTIONS = {
    "fgsm": {"clip": True},
    "bim": {},
    "pgd": {"restarts": 2},
    "mim": {},
    "apgd": {"iterations": 30},
    "pgd_plus_plus": {},
    "deepfool": {},
    "cw_l2": {"iterations": 60},
    "noise": {},
    "square": {"queries": 200},
    "spsa": {"samples": 16},
    "hopskipjump": {"iterations": 8, "samples": 20},
}
STRONG = ["fgsm", "bim", "pgd", "mim", "apgd", "deepfool", "cw_l2"]
BOTH = [name for name in OPTIONS if "norm" in groups.option("attack", name)]
TARGETED = [name for name in OPTIONS if "targeted" in groups.option("attack", name)]


def run(name, net, x, labels, seed=0, **keys):
    option = (
        {k: v for k, v in groups.option("attack", name).items() if k != "defaults"}
        | OPTIONS[name]
        | keys
    )
    return perturbed(groups.function("attack", option, []), net, x, labels, seed)


def linear(weights):
    """A net of one image row to logits, whose gradient is known."""
    matrix = tf.constant(weights, tf.float32)
    return lambda x: tf.reshape(x, (-1, matrix.shape[0])) @ matrix


@pytest.fixture(scope="module")
def net():
    """A small float net on 8 x 8 images of three classes, each bright in a third of its own."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600).astype("int32")
    x = rng.uniform(0, 0.6, (600, 8, 8)).astype("float32")
    for row, label in enumerate(labels):
        x[row, :, 3 * label : 3 * label + 2] += 0.3
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8))
    hidden = keras.layers.Dense(32, "tanh")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x, labels, epochs=8, verbose=0)
    return model, x[:60], labels[:60]


def broken(model, x, labels):
    return np.mean(np.argmax(model(x), -1) != labels)


def norms(change, norm):
    flat = np.reshape(change, (len(change), -1))
    return np.abs(flat).max(axis=1) if norm == "linf" else np.linalg.norm(flat, axis=1)


def test_fgsm_steps_by_epsilon_along_the_sign_of_the_gradient():
    net = linear([[1.0, -1.0], [2.0, 0.0], [0.0, 0.0]])  # class 0 falls with the first two pixels
    x, labels = np.float32([[[0.5, 0.95, 0.3]]]), np.int32([0])
    np.testing.assert_allclose(
        run("fgsm", net, x, labels, targeted=False, clip=False), [[[0.4, 0.85, 0.3]]]
    )
    np.testing.assert_allclose(
        run("fgsm", net, x, labels, targeted=True, clip=False), [[[0.6, 1.05, 0.3]]]
    )
    np.testing.assert_allclose(
        run("fgsm", net, x, labels, targeted=True, clip=True), [[[0.6, 1.0, 0.3]]]
    )


def test_fgsm_in_l2_steps_along_the_gradient():
    net = linear([[3.0, 0.0], [4.0, 0.0]])
    moved = run("fgsm", net, np.float32([[0.5, 0.5]]), np.int32([0]), norm="l2", targeted=False)
    np.testing.assert_allclose(moved, [[0.44, 0.42]], rtol=1e-5)  # 0.1 along (3, 4) / 5


def test_fgsm_projects_nothing_over_several_iterations():
    net = linear([[1.0, -1.0]])
    moved = run(
        "fgsm", net, np.float32([[0.9]]), np.int32([0]), iterations=5, targeted=False, clip=False
    )
    np.testing.assert_allclose(moved, [[0.4]], rtol=1e-5)


def test_deepfool_finds_the_nearest_boundary_of_a_linear_net():
    net = linear(
        [[3.0, 0.0], [4.0, 0.0]]
    )  # logits 3a + 4b and 0, with a bias by the image: the margin is 1
    shifted = lambda x: net(x) - tf.constant([2.5, 0.0])  # noqa: E731
    moved = run(
        "deepfool", shifted, np.float32([[0.5, 0.5]]), np.int32([0]), norm="l2", epsilon=1.0
    )
    np.testing.assert_allclose(
        np.linalg.norm(moved - 0.5), 0.2 * 1.02, atol=2e-3
    )  # margin 1, slope 5


@pytest.mark.parametrize("targeted", [False, True])
def test_logits_that_are_all_equal_have_the_slope_of_their_margin_as_that_of_dlr(targeted):
    net, labels = linear([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), tf.constant([0])
    goal = goals.Goal(net, labels, targeted, "dlr")
    gradient, value, _ = goal.gradient(tf.zeros((1, 2)))
    assert value.numpy().tolist() == [0.0]
    assert np.isfinite(gradient).all()
    assert gradient.numpy()[0, 1] == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "margin", "dlr"])
@pytest.mark.parametrize("targeted", [False, True])
def test_values_of_the_losses(loss, targeted):
    logits = tf.constant([[1.0, 3.0, 0.0, -1.0]])
    goal = goals.Goal(None, tf.constant([0]), targeted, loss, temperature=2.0)
    scaled = np.exp(np.float64([0.5, 1.5, 0.0, -0.5]))
    low = -0.5 if targeted else 0.0  # the mean of the third and fourth, or the third
    by_hand = {
        "cross_entropy": -np.log(scaled[0] / scaled.sum()),
        "margin": 2.0,
        "dlr": 2.0 / (3.0 - low),
    }[loss]
    np.testing.assert_allclose(goal.value(logits), [-by_hand if targeted else by_hand], rtol=1e-5)
    assert bool(goal.reached(logits)[0]) is not targeted


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["linf", "l2"]),
    st.floats(0.01, 1.0),
    st.lists(st.floats(-2, 2, width=32), min_size=6, max_size=6),
    st.integers(0, 1000),
)
def test_projection_lands_in_the_ball_and_in_the_range_of_pixels(norm, epsilon, change, seed):
    center = np.random.default_rng(seed).uniform(size=(1, 6)).astype("float32")
    ball = goals.Ball(tf.constant(center), epsilon, norm)
    projected = ball.project(center + np.float32([change])).numpy()
    assert norms(projected - center, norm) <= epsilon + 1e-5
    assert projected.min() >= 0
    assert projected.max() <= 1
    np.testing.assert_allclose(ball.project(projected), projected, atol=1e-6)
    assert norms(ball.random([seed, 0]).numpy() - center, norm) <= epsilon + 1e-5


@pytest.mark.parametrize("name", OPTIONS)
def test_budget_and_pixels_are_kept_and_the_same_seed_gives_the_same_bits(net, name):
    model, x, labels = net
    norm = {"cw_l2": "l2", "hopskipjump": "l2"}.get(name, "linf")
    moved = run(
        name,
        model,
        x,
        labels,
        seed=3,
        epsilon=0.2,
        **({"targeted": False} if name in TARGETED else {}),
    )
    assert norms(moved - x, norm).max() <= 0.2 + 1e-5
    assert moved.min() >= 0
    assert moved.max() <= 1
    again = run(
        name,
        model,
        x,
        labels,
        seed=3,
        epsilon=0.2,
        **({"targeted": False} if name in TARGETED else {}),
    )
    np.testing.assert_array_equal(moved, again)


@pytest.mark.parametrize("name", OPTIONS)
def test_breaks_most_images_within_a_wide_budget(net, name):
    model, x, labels = net
    wide = 4.0 if name in ("cw_l2", "hopskipjump") else 0.4
    least = 0.9 if name in STRONG else 0.5
    least = 0.02 if name == "noise" else least  # it only has to find something
    assert broken(model, x, labels) <= 0.05
    moved = run(
        name, model, x, labels, epsilon=wide, **({"targeted": False} if name in TARGETED else {})
    )
    assert broken(model, moved, labels) >= least


@pytest.mark.parametrize(
    "name", ["fgsm", "bim", "pgd", "mim", "apgd", "pgd_plus_plus", "cw_l2", "square", "spsa"]
)
def test_targeted_attacks_reach_the_target(net, name):
    model, x, labels = net
    targets = (labels + 1) % 3
    moved = run(name, model, x, targets, epsilon=4.0 if name == "cw_l2" else 0.5, targeted=True)
    hit = np.mean(np.argmax(model(moved), -1) == targets)
    assert hit >= (0.9 if name in STRONG else 0.5)


@pytest.mark.parametrize(
    "name", [name for name in BOTH if name not in ("noise", "spsa", "hopskipjump")]
)
def test_l2_attacks_break_most_images_and_keep_their_budget(net, name):
    model, x, labels = net
    keys = {"targeted": False} if name in TARGETED else {}
    moved = run(name, model, x, labels, epsilon=3.0, norm="l2", **keys)
    assert norms(moved - x, "l2").max() <= 3.0 + 1e-4
    assert broken(model, moved, labels) >= 0.8


def test_minimal_attacks_need_less_than_a_fixed_budget(net):
    model, x, labels = net
    far = norms(run("pgd", model, x, labels, epsilon=3.0, norm="l2", early_stop=False) - x, "l2")
    for name in ("deepfool", "cw_l2"):
        keys = {"norm": "l2"} if name == "deepfool" else {}
        moved = run(name, model, x, labels, epsilon=3.0, **keys)
        assert broken(model, moved, labels) >= 0.9
        assert np.median(norms(moved - x, "l2")) < 0.7 * np.median(far)


def test_more_restarts_break_whatever_fewer_break(net):
    model, x, labels = net
    few, many = (
        run("pgd", model, x, labels, epsilon=0.1, iterations=5, restarts=n) for n in (1, 4)
    )
    few, many = (np.argmax(model(moved), -1) != labels for moved in (few, many))
    assert (many | ~few).all()


def test_early_stop_changes_no_class_that_is_reached(net):
    model, x, labels = net
    kept = run("pgd", model, x, labels, epsilon=0.15, early_stop=True)
    assert broken(model, kept, labels) >= broken(
        model, run("pgd", model, x, labels, epsilon=0.15, early_stop=False), labels
    )


def test_images_that_are_wrong_already_are_left_alone(net):
    model, x, _ = net
    wrong = ((np.argmax(model(x), -1) + 1) % 3).astype("int32")
    np.testing.assert_array_equal(run("deepfool", model, x, wrong), x)


def test_temperature_gives_saturated_logits_a_gradient(net):
    model, x, labels = net
    saturated = lambda image: 1000.0 * model(image)  # noqa: E731
    plain = run("pgd", saturated, x, labels, epsilon=0.3)
    scaled = run("pgd", saturated, x, labels, epsilon=0.3, temperature=1000.0)
    repaired = run("pgd_plus_plus", saturated, x, labels, epsilon=0.3)
    assert broken(model, plain, labels) < broken(model, scaled, labels) - 0.3
    assert broken(model, repaired, labels) >= broken(model, scaled, labels) - 0.1


def test_no_attack_by_gradient_moves_an_image_without_one():
    flat = lambda x: tf.round(tf.reshape(x, (-1, 4)))  # noqa: E731
    x, labels = np.full((2, 4), 0.4, "float32"), np.int32([0, 1])
    for name in ("fgsm", "bim", "mim"):
        np.testing.assert_array_equal(run(name, flat, x, labels, targeted=False), x)
    for name in ("pgd", "apgd", "pgd_plus_plus", "deepfool", "cw_l2"):
        assert np.isfinite(run(name, flat, x, labels)).all()


def test_attacks_without_gradients_never_ask_for_one():
    matrix = tf.random.stateless_normal((16, 3), [0, 0])

    @tf.custom_gradient
    def forbidden(image):
        def backward(upstream):
            raise AssertionError("a gradient was taken")

        return tf.reshape(image, (-1, 16)) @ matrix, backward

    x, labels = np.full((2, 4, 4), 0.5, "float32"), np.int32([0, 1])
    for name in ("noise", "square", "spsa", "hopskipjump"):
        run(name, forbidden, x, labels)
    with pytest.raises(AssertionError, match="a gradient was taken"):
        run("bim", forbidden, x, labels)


def test_squares_cover_less_and_less():
    sides = squares.side_lengths(10_000, 0.8, 28, 28, "linf")
    assert sides[0] == 25  # sqrt(0.8 x 784) = 25.04
    assert sides[-1] == 1  # sqrt(0.8 x 784 / 512) = 1.1
    assert (np.diff(sides) <= 0).all()


def test_bumps_of_a_square_are_sums_over_rings():
    row, column = np.mgrid[:5, :5].astype("int32")
    bumps = squares._bumps(tf.constant(row), tf.constant(column), 5).numpy()
    inner, middle, outer = (
        1 + 1 / 4 + 1 / 9,
        1 / 4 + 1 / 9,
        1 / 9,
    )  # from the center of each half on
    np.testing.assert_allclose(
        bumps[0], np.float32([outer, middle, middle, middle, outer]), rtol=1e-5
    )  # a half of two rows
    np.testing.assert_allclose(
        bumps[1], np.float32([outer, middle, inner, middle, outer]), rtol=1e-5
    )
    np.testing.assert_allclose(bumps[3], -bumps[1], rtol=1e-5)  # the middle of the other three


def test_squares_in_l2_use_the_whole_budget_before_pixels_are_clipped():
    x = tf.fill((3, 6, 6, 2), 0.5)
    ball = goals.Ball(x, 0.2, "l2")
    start = squares.start(ball, (0, 0))
    moved = squares.propose(ball, start, tf.constant(3), (0, 1))
    np.testing.assert_allclose(norms(start - x, "l2"), 0.2, rtol=1e-5)
    np.testing.assert_allclose(norms(moved - x, "l2"), 0.2, rtol=1e-5)
    assert np.mean(moved != start) > 0.2


def test_checkpoints_of_apgd_are_those_of_the_paper():
    marks, windows = auto_pgd._checkpoints(100)
    assert np.flatnonzero(marks)[:4].tolist() == [21, 40, 56, 69]  # after 22, 41, 57, 70
    assert windows.numpy()[[21, 40, 56, 69]].tolist() == [22, 19, 16, 13]
