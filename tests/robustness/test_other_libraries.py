"""Attacks reach the accuracies of ART and Foolbox."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from brnn.attacks.batches import perturbed
from brnn.config import groups
from tests.support.attacking import norms
from tests.support.evaluating import attack_option

needs_art = pytest.mark.skipif(
    importlib.util.find_spec("art") is None, reason="needs the extra attacks"
)


needs_foolbox = pytest.mark.skipif(
    importlib.util.find_spec("foolbox") is None, reason="needs the extra attacks"
)


def accuracy(model, x, labels):
    return float(np.mean(np.argmax(model(x), -1) == labels))


def ours(name, model, x, labels, **keys):
    attack = groups.function("attack", attack_option(name, **keys), [])
    return accuracy(model, perturbed(attack, model, x, labels, 0), labels)


def of_art(method, model, x, labels, **arguments):
    keys = {"method": method, "norm": "linf", "targeted": False, "arguments": arguments}
    attack = groups.function("attack", {"name": "art", "epsilon": 0.1, **keys}, [])
    return accuracy(model, perturbed(attack, model, x, labels, 0), labels)


@needs_art
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["real", "binarized"])
def test_fgsm_pgd_and_apgd_agree_with_art(kind, real, binarized, thousand):
    model = real if kind == "real" else binarized.through("identity").model
    x, labels = thousand
    pairs = {
        "fgsm": (
            ours("fgsm", model, x, labels, targeted=False, clip=True),
            of_art("FastGradientMethod", model, x, labels),
        ),
        "pgd": (
            ours("pgd", model, x, labels, epsilon=0.1, iterations=20, early_stop=False),
            of_art(
                "ProjectedGradientDescentTensorFlowV2",
                model,
                x,
                labels,
                eps_step=0.01,
                max_iter=20,
                num_random_init=1,
            ),
        ),
        "apgd": (
            ours("apgd", model, x, labels, epsilon=0.1, iterations=20),
            of_art(
                "AutoProjectedGradientDescent",
                model,
                x,
                labels,
                eps_step=0.2,
                max_iter=20,
                nb_random_init=1,
                loss_type="cross_entropy",
            ),
        ),
    }
    for name, (mine, theirs) in pairs.items():
        assert mine == pytest.approx(theirs, abs=0.01), name


@needs_foolbox
@pytest.mark.parametrize("kind", ["real", "binarized"])
def test_fgsm_and_pgd_agree_with_foolbox(kind, real, binarized, thousand):
    import foolbox

    model = real if kind == "real" else binarized.through("identity").model
    x, labels = thousand
    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    images, classes = tf.constant(x), tf.constant(labels, tf.int64)
    fast = foolbox.attacks.LinfFastGradientAttack()(wrapped, images, classes, epsilons=0.1)[1]
    slow = foolbox.attacks.LinfPGD(steps=20, abs_stepsize=0.01)(
        wrapped, images, classes, epsilons=0.1
    )[1]
    assert ours("fgsm", model, x, labels, targeted=False, clip=True) == pytest.approx(
        accuracy(model, fast, labels), abs=0.01
    )
    assert ours(
        "pgd", model, x, labels, epsilon=0.1, iterations=20, early_stop=False
    ) == pytest.approx(accuracy(model, slow, labels), abs=0.01)


@needs_foolbox
def test_cw_l2_leaves_what_foolbox_leaves_and_no_larger_perturbations(real, binarized, thousand):
    import foolbox

    keys = {"iterations": 60, "searches": 3}
    x, labels = thousand[0][::5], thousand[1][::5]
    nets = {"real": real, "ste": binarized.through("trained").model}
    for name, model in nets.items():
        attack = foolbox.attacks.L2CarliniWagnerAttack(
            steps=60, stepsize=0.05, binary_search_steps=3, initial_const=1.0, abort_early=False
        )
        wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
        theirs = attack(wrapped, tf.constant(x), tf.constant(labels, tf.int64), epsilons=None)[0]
        theirs = theirs.numpy()
        none = theirs.reshape(len(x), -1).max(axis=1) == 0  # a black image where it finds none
        theirs[none] = x[none]
        option = attack_option("cw_l2", epsilon=28.0, learning_rate=0.05, **keys)
        mine = perturbed(groups.function("attack", option, []), model, x, labels, 0)
        left = accuracy(model, theirs, labels)
        assert accuracy(model, mine, labels) == pytest.approx(left, abs=0.03), name
        both = np.argmax(model(x), -1) == labels
        for images in (mine, theirs):
            both &= np.argmax(model(images), -1) != labels
        assert np.median(norms(mine - x, "l2")[both]) <= np.median(norms(theirs - x, "l2")[both])
    assert ours("cw_l2", nets["ste"], x, labels, epsilon=28.0) < left - 0.1  # by longer steps


@pytest.mark.parametrize("kind", ["real", "trained", "identity"])
def test_scaled_logits_make_pgd_no_weaker(kind, real, binarized, thousand):
    model = real if kind == "real" else binarized.through(kind).model
    plain, scaled = (
        ours(name, model, *thousand, epsilon=0.05) for name in ("pgd", "pgd_plus_plus")
    )
    assert scaled <= plain + 0.01
