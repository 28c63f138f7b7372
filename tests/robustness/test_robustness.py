"""Robustness: metrics by their definitions, on the same images, and the same numbers as other libraries give."""

import importlib.util
import io
import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

from brnn import paths
from brnn.attacks import batches, ensembles, gradient
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.data import dataset, sources
from brnn.errors import ConfigError
from brnn.nets.task import Task
from brnn.robustness import artifacts, evaluate, prepare, runner
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Net, Nets
from brnn.robustness.samples import Attacked, choose, predicted
from brnn.training import build
from brnn.training.loop import fit

SHARED = yaml.safe_load((paths.conf() / "attack_keys.yaml").read_text())
GROUPS = {
    "precision": "binarynet",
    "estimator": "ste",
    "topology": "simple",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "schedule": "constant",
    "initializer": "he_normal",
}
needs_art = pytest.mark.skipif(
    importlib.util.find_spec("art") is None, reason="needs the extra attacks"
)
needs_foolbox = pytest.mark.skipif(
    importlib.util.find_spec("foolbox") is None, reason="needs the extra attacks"
)


def attack_option(name, /, **keys):
    own = {key: value for key, value in groups.option("attack", name).items() if key != "defaults"}
    return SHARED | own | keys


@pytest.fixture(scope="module")
def digits():
    x, y, x_test, y_test = sources.embedded_digits()
    train, test = (
        ((a / 255).astype("float32"), b.astype("int32"))
        for a, b in ((x, y), (x_test[::5], y_test[::5]))
    )
    return dataset.Data(train, (test[0][:0], test[1][:0]), test, 10, "embedded")


@pytest.fixture(scope="module")
def thousand():
    """All test images of the embedded digits."""
    _, _, x, labels = sources.embedded_digits()
    return (x / 255).astype("float32"), labels.astype("int32")


@pytest.fixture(scope="module")
def binarized(digits):
    """A BinaryNet of 64 units trained with STE, on the embedded digits: a net that hides its gradient."""
    options = {group: groups.option(group, name) for group, name in GROUPS.items()}
    options |= {
        "bias_initializer": groups.option("initializer", "binary_choice"),
        "training": {"name": "standard"},
        "plugins": [],
        "seed": 0,
    }
    options |= {"compiled": False, "epochs": 4, "batch_size": 50, "attack": attack_option("fgsm")}
    options["topology"]["width"] = 64
    program = build.program(options, Task((28, 28), 10))
    for _ in fit(
        program,
        digits,
        epochs=8,
        batch_size=50,
        rates=lambda steps, total: np.full(len(steps), 1e-3),
        seed=0,
    ):
        pass
    weights = program.manager.discretized().get_weights()
    return Nets(
        options, digits, weights, load=lambda run: (options, weights), tell=lambda what, share: None
    )


@pytest.fixture(scope="module")
def real(digits):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28))
    hidden = keras.layers.Dense(64, "tanh")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10)(hidden))
    model.compile(
        keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(*digits.train, epochs=4, batch_size=100, verbose=0)
    return model


def evaluated(all_nets, name, **keys):
    option = attack_option(name, images=100, **keys)
    own = {key: option[key] for key in parameters(*groups.SHARED["attack"])}
    return evaluate.evaluate(all_nets, option, **own)


def four_images():
    """Labels 0, 0, 1, 1 of a net that says 1 where the only pixel is above 0.5; the third is wrong already."""
    x = np.float32([[0.2], [0.4], [0.3], [0.9]])
    return Attacked(x, np.int32([0, 0, 1, 1]), np.int32([1, 1, 0, 0]), classes(x))


def classes(x):
    """Those that the net gives."""
    return predicted(lambda images: np.hstack([0.5 - images, images - 0.5]), x)


def test_metrics_by_hand():
    victims = four_images()
    moved = np.float32(
        [[0.3], [0.7], [0.3], [0.4]]
    )  # the second and the fourth are broken, by 0.3 and 0.5
    metrics = measure("attack", victims, moved, classes(moved), targeted=False)
    assert metrics == pytest.approx(
        {
            "attack/clean_accuracy": 0.75,
            "attack/robust_accuracy": 0.25,
            "attack/broke": 0.75,
            "attack/success_rate": 2 / 3,
            "attack/linf": 0.225,
            "attack/l2": 0.225,
            "attack/linf_median": 0.4,
            "attack/l2_median": 0.4,
        }
    )
    targeted = measure("attack", victims, moved, classes(moved), targeted=True)
    assert targeted["attack/tricked"] == targeted["attack/success_rate"] == 0.75


def test_no_median_where_nothing_is_broken():
    victims = four_images()
    metrics = measure("attack", victims, victims.images, victims.classes, targeted=False)
    assert "attack/linf_median" not in metrics
    assert metrics["attack/success_rate"] == 0


def test_a_target_that_is_the_label_is_refused():
    with pytest.raises(ValueError, match="a target must differ from the label, got 2 for both"):
        Attacked(np.zeros((2, 1), "float32"), np.int32([1, 2]), np.int32([0, 2]), np.int32([1, 2]))


def test_images_are_the_first_or_random_ones_with_wrong_targets(real, digits):
    first, drawn = (choose(real, digits, 0, 50, choice, "random") for choice in ("first", "random"))
    np.testing.assert_array_equal(first.images, digits.test[0][:50])
    assert not np.array_equal(first.images, drawn.images)
    np.testing.assert_array_equal(
        drawn.images, choose(real, digits, 0, 50, "random", "random").images
    )
    assert not (first.targets == first.labels).any()
    assert len(set(((first.targets - first.labels) % 10).tolist())) == 9
    np.testing.assert_array_equal(
        choose(real, digits, 0, 20, "first", "random").images, first.images[:20]
    )
    in_bytes = replace(
        digits, test=(np.round(digits.test[0] * 255).astype("uint8"), digits.test[1])
    )
    np.testing.assert_allclose(
        choose(real, in_bytes, 0, 20, "first", "random").images, first.images[:20], rtol=2e-7
    )


def test_one_target_for_all_leaves_out_its_own_class(real, digits):
    victims = choose(real, digits, 0, 1000, "first", 3)
    assert (victims.targets == 3).all()
    assert not (victims.labels == 3).any()
    assert len(victims.labels) == np.sum(digits.test[1] != 3)


def test_queries_are_counted(real, digits):
    net = Net(real)
    attack = groups.function("attack", attack_option("bim", iterations=7), [])
    perturbed(attack, net, digits.test[0][:30], digits.test[1][:30], 0)
    assert int(net.asked) == 7 * 30


def test_one_step_of_fgsm_is_trapped_and_the_line_says_so(binarized):
    report = evaluated(binarized, "fgsm")
    metrics = report.metrics
    assert metrics["attack_identity/tricked"] > metrics["attack/tricked"] + 0.2
    assert metrics["trust/trusted"] == 0
    assert any("identity estimator" in reason for reason in report.reasons)
    assert metrics["attack/images"] == 100
    assert metrics["attack/queries"] == 1


def test_adaptive_is_at_least_as_strong_as_each_of_its_backward_passes(binarized):
    keys = {"epsilon": 0.1, "checks": False}
    together = evaluated(
        binarized, "adaptive", estimators=["trained", "identity"], temperatures=[1.0], **keys
    )
    alone = [
        evaluated(binarized, "pgd", estimator=name, **keys) for name in ("trained", "identity")
    ]
    accuracies = [report.metrics["attack/robust_accuracy"] for report in alone]
    assert together.metrics["attack/robust_accuracy"] <= min(accuracies) + 0.01
    assert accuracies[0] > accuracies[1] + 0.1
    broke = [together.metrics[f"adaptive/{name}-1/broke"] for name in ("trained", "identity")]
    assert sum(broke) == pytest.approx(together.metrics["attack/broke"])


def test_suite_is_below_what_fgsm_suggests_and_tells_which_member_broke_what(binarized):
    members = [
        "noise",
        "mim source=twin",
        "square queries=50",
        "fgsm clip=true",
        "apgd iterations=20",
        "adaptive",
    ]
    report = evaluated(binarized, "suite", members=members)
    plain = evaluated(binarized, "fgsm", targeted=False, clip=True, checks=False)
    assert report.metrics["attack/robust_accuracy"] < plain.metrics["attack/robust_accuracy"] - 0.3
    broke = {key: value for key, value in report.metrics.items() if key.startswith("suite/")}
    assert "suite/fgsm-clip:true/broke" in broke
    assert sum(broke.values()) == pytest.approx(report.metrics["attack/broke"])
    assert list(broke)[-3:] == [
        "suite/noise/broke",
        "suite/mim-source:twin/broke",
        "suite/square-queries:50/broke",
    ]
    assert report.blind.mean() == pytest.approx(sum(list(broke.values())[-3:]))
    assert np.abs(report.images - report.victims.images).max() <= 0.1 + 1e-6


def test_a_surrogate_is_looked_through_but_the_net_is_judged(binarized):
    report = evaluated(binarized, "pgd", source="twin", early_stop=False, checks=False)
    wrong = np.argmax(binarized.through("trained")(report.images), -1) != report.victims.labels
    assert report.metrics["attack/broke"] == pytest.approx(wrong.mean())
    assert "attack_identity/broke" not in report.metrics


def test_nets_of_the_same_shape_in_use_at_once_have_weights_of_their_own(binarized):
    weights = [np.full_like(one, 0.5) for one in binarized.weights]
    other = Nets(binarized.options, binarized.data, weights, binarized.load, binarized.tell)
    nets_ = [one.through("trained") for one in (binarized, other)]
    assert nets_[0] is not nets_[1]
    for net, expected in zip(nets_, (binarized.weights, weights), strict=True):
        np.testing.assert_array_equal(net.model.get_weights()[0], expected[0])
    assert other.through("trained") is nets_[1] is not other.through("trained", "abc")


def test_runs_of_the_same_shape_share_their_nets_and_programs_one_after_the_other(binarized):
    def nets_of(value):
        weights = [np.full_like(one, value) for one in binarized.weights]
        return Nets(binarized.options, binarized.data, weights, binarized.load, binarized.tell)

    one = nets_of(0.25)
    net = one.through("trained")
    del one
    other = nets_of(0.5)
    assert other.through("trained") is net
    np.testing.assert_array_equal(net.model.get_weights()[0], 0.5)
    options = [attack_option("fgsm", epsilon=epsilon) for epsilon in (0.1, 0.1, 0.2)]
    keys = [json.dumps(groups.function("attack", option, []).keywords) for option in options]
    kind = np.dtype("int32")
    graphs = [runner._graph(gradient.fgsm, key, net, (28, 28), kind) for key in keys]
    assert graphs[0] is graphs[1] is not graphs[2]


def test_curves_fall_with_epsilon(binarized):
    report = evaluated(
        binarized,
        "pgd",
        estimator="identity",
        checks=False,
        curve_epsilons=[0.01, 0.05, 0.2],
        curve_iterations=[1, 5],
    )
    epsilons, accuracies = zip(*report.curves["epsilon"], strict=True)
    assert epsilons == (0, 0.01, 0.05, 0.2)
    assert accuracies[0] == report.metrics["attack/clean_accuracy"]
    assert accuracies[0] >= accuracies[1] > accuracies[2] > accuracies[3]
    assert [value for value, _ in report.curves["iterations"]] == [0, 1, 5]
    assert {"figures/robust_accuracy_by_epsilon.png", "adversarial.npz"} <= set(
        artifacts.files(report, "pgd")
    )


def test_an_attack_tells_how_far_it_is(binarized, monkeypatch):
    heard = []
    monkeypatch.setattr(binarized, "tell", lambda what, share: heard.append((what, share)))
    monkeypatch.setattr(batches, "ATTACK_BATCH", 40)
    evaluated(binarized, "fgsm", checks=False, targeted=False, clip=True)
    ways = ("fgsm through trained", "fgsm through identity")
    assert heard == [(way, share) for way in ways for share in (0, 0.4, 0.8, 1)]


@needs_art
def test_an_attack_of_art_that_fails_does_so_in_one_line(binarized):
    option = {"method": "SquareAttack", "arguments": {}, "checks": False, "epsilon": 0.1}
    with pytest.raises(ConfigError, match=r"^attack=art failed: .*image") as raised:
        evaluated(binarized, "art", **option)
    assert "\n" not in str(raised.value)


def test_artifact_holds_the_images_and_what_the_net_says(binarized):
    report = evaluated(binarized, "noise", draws=2, checks=False)
    saved = np.load(
        io.BytesIO(artifacts.files(report, "noise")["adversarial.npz"]), allow_pickle=False
    )
    np.testing.assert_array_equal(saved["adversarial"], report.images)
    np.testing.assert_array_equal(saved["original"], report.victims.images)
    np.testing.assert_array_equal(
        np.argmax(binarized.through("ste")(saved["adversarial"]), -1), saved["prediction"]
    )


def test_exact_is_below_every_attack_and_certifies_nothing_that_one_breaks(binarized):
    exactly = evaluated(binarized, "exact", epsilon=0.01, seconds=0.3)
    certified = exactly.predictions == exactly.victims.labels
    metrics = exactly.metrics
    assert (
        metrics["attack_exact/robust_accuracy_low"] <= metrics["attack_exact/robust_accuracy_high"]
    )
    assert (
        metrics["attack_exact/robust_accuracy_high"] <= metrics["attack_exact/robust_accuracy_pgd"]
    )
    assert not any("bug" in reason for reason in exactly.reasons)
    adaptive = evaluated(binarized, "adaptive", epsilon=0.01, checks=False)
    broken = certified & (
        adaptive.predictions != adaptive.victims.labels
    )  # of which some may be undecided
    assert broken.mean() <= metrics["attack_exact/unknown"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"name": "exact", "solver": "highs", "precision": "full"},
            r"needs activations of -1 and \+1, got precision=full",
        ),
        ({"name": "suite", "members": ["cw_l2"]}, "cw_l2 knows only l2"),
        ({"name": "suite", "members": ["pgd steps=3"]}, "pgd has no key 'steps'"),
        (
            {"name": "suite", "members": ["pgd restarts=0"]},
            "restarts must be a whole number, 1 or more, got 0",
        ),
        (
            {"name": "suite", "members": ["pdg"]},
            r"attack\.members: attack must be one of adaptive, .*, got pdg",
        ),
        (
            {"name": "adaptive", "attack": "pdg"},
            r"attack\.attack: attack must be one of adaptive, .*, got pdg",
        ),
        (
            {"name": "adaptive", "estimators": ["identiti"]},
            r"attack\.estimators must be trained or one of .*identiti",
        ),
        (
            {"name": "fgsm", "target": 10},
            "attack.target must be random or a class from 0 to 9, got 10",
        ),
        (
            {"name": "suite", "members": ["adaptive norm=l2"]},
            "adaptive takes no keys as a member, got norm=l2",
        ),
        (
            {"name": "suite", "members": [""]},
            r"attack\.members: attack must be one of adaptive, .*, got $",
        ),
        (
            {"name": "adaptive", "attack": ""},
            r"attack\.attack: attack must be one of adaptive, .*, got $",
        ),
        (
            {"name": "suite", "members": ["pgd step=[1"]},
            r"attack\.members: step=\[1 cannot be read",
        ),
        (
            {"name": "suite", "members": ["exact"]},
            r"attack\.members: exact cannot be a member of another attack",
        ),
        ({"name": "suite", "members": []}, "attack=suite has no members"),
        (
            {"name": "square", "curve_iterations": [1]},
            "attack=square has no iterations to draw a curve over",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_training(digits, changes, message):
    options = {group: groups.option(group, name) for group, name in GROUPS.items()} | {
        "plugins": []
    }
    changes = dict(changes)
    options["precision"] = groups.option("precision", changes.pop("precision", "binarynet"))
    options["attack"] = attack_option(changes.pop("name"), **changes)
    with pytest.raises(ConfigError, match=message):
        prepare.prepare(options, digits, store=None)


def test_a_target_that_is_the_class_of_all_images_is_refused(digits):
    ones = replace(digits, test=(digits.test[0][:2], np.int32([1, 1])))
    with pytest.raises(ConfigError, match=r"attack.target=1 leaves no image to attack"):
        prepare.prepare(
            {"attack": attack_option("fgsm", target=1), "plugins": []}, ones, store=None
        )


def test_an_attack_without_epsilon_cannot_be_checked(digits):
    own = SHARED | {"name": "mylab.attacks.rotated"}
    prepare.prepare({"attack": own | {"checks": False}, "plugins": ["mylab"]}, digits, store=None)
    with pytest.raises(
        ConfigError, match=r"needs a key epsilon, which mylab.attacks.rotated has not"
    ):
        prepare.prepare({"attack": own, "plugins": ["mylab"]}, digits, store=None)


def test_a_surrogate_of_other_inputs_is_refused(digits, binarized):
    wide = replace(digits, train=(np.zeros((4, 32, 32), "float32"), digits.train[1][:4]))
    surrogate = Nets(binarized.options, wide, [], binarized.load, binarized.tell)
    with pytest.raises(ConfigError, match=r"attack.source=abc does not fit inputs of \(32, 32\)"):
        surrogate.through("trained", "abc")


def test_ensembles_know_their_members():
    members = ensembles.suite(
        members=["pgd", "mim source=twin"], epsilon=0.2, norm="linf", targeted=True
    )
    assert list(members) == ["pgd", "mim source=twin"]
    assert all(member["epsilon"] == 0.2 and member["targeted"] for member in members.values())
    assert [member["source"] for member in members.values()] == [None, "twin"]
    assert list(members(attack_option("pgd"), [])) == ["pgd"]


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
