"""Attacks by gradient do what their papers state."""

import numpy as np
import pytest
import tensorflow as tf

from brnn.attacks.linear import logit_scale
from tests.support.attacking import broken, linear, norms, run


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


def test_saturated_logits_are_scaled_to_a_probability_and_others_stay():
    logits = np.float32([[1000, 0, 0], [0.1, 0.3, 0.1], [0, 0, 0], [7, 2, -90]])
    factors = logit_scale(logits, 0.01).numpy()
    np.testing.assert_allclose(factors[0], np.log(2 * 0.99 / 0.01) / 1000, rtol=1e-5)
    assert tf.nn.softmax(factors[0] * logits[0])[0].numpy() == pytest.approx(0.99, abs=1e-4)
    assert factors[1:].tolist() == [1, 1, 1]  # log(198) = 5.29 is more than 7 - 2


def test_no_attack_by_gradient_moves_an_image_without_one():
    flat = lambda x: tf.round(tf.reshape(x, (-1, 4)))  # noqa: E731
    x, labels = np.full((2, 4), 0.4, "float32"), np.int32([0, 1])
    for name in ("fgsm", "bim", "mim"):
        np.testing.assert_array_equal(run(name, flat, x, labels, targeted=False), x)
    for name in ("pgd", "apgd", "pgd_plus_plus", "deepfool", "cw_l2"):
        assert np.isfinite(run(name, flat, x, labels)).all()
