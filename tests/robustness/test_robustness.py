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
from brnn.attacks import batches, gradient
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.data import dataset, sources
from brnn.errors import ConfigError
from brnn.nets.task import Task
from brnn.robustness import artifacts, evaluate, prepare
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Net, RunNets
from brnn.robustness.samples import Samples, choose, predicted
from brnn.training import build
from brnn.training.loop import fit, no_progress

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
    return SHARED | groups.option("attack", name) | keys


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
    options["topology"] |= {"width": 64, "batch_normalization": False}
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
    return RunNets(
        options, digits, weights, load=lambda run: (options, weights), on_progress=no_progress
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


def chosen(net, data, images, choice="first", target="random"):
    keys = {"images": images, "choice": choice, "target": target}
    return choose(net, data.test, data.classes, 0, **keys)


def four_images():
    """Labels 0, 0, 1, 1 of a net whose class is 1 above 0.5; the third is wrong before the attack."""
    x = np.float32([[0.2], [0.4], [0.3], [0.9]])
    return Samples(x, np.int32([0, 0, 1, 1]), np.int32([1, 1, 0, 0]), classes(x))


def classes(x):
    """The classes that this net gives."""
    return predicted(lambda images: np.hstack([0.5 - images, images - 0.5]), x)


def test_metrics_by_hand():
    samples = four_images()
    moved = np.float32(
        [[0.3], [0.7], [0.3], [0.4]]
    )  # the second and the fourth are broken, by 0.3 and 0.5
    metrics = measure("attack", samples, moved, classes(moved), targeted=False)
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
    targeted = measure("attack", samples, moved, classes(moved), targeted=True)
    assert targeted["attack/success_rate"] == 0.75


def test_no_median_where_nothing_is_broken():
    samples = four_images()
    metrics = measure("attack", samples, samples.images, samples.predictions, targeted=False)
    assert "attack/linf_median" not in metrics
    assert metrics["attack/success_rate"] == 0


def test_a_target_that_is_the_label_is_refused():
    with pytest.raises(ValueError, match="a target must differ from the label, got 2 for both"):
        Samples(np.zeros((2, 1), "float32"), np.int32([1, 2]), np.int32([0, 2]), np.int32([1, 2]))


def test_images_are_the_first_or_random_ones_with_wrong_targets(real, digits):
    first, drawn = (chosen(real, digits, 50, choice) for choice in ("first", "random"))
    np.testing.assert_array_equal(first.images, digits.test[0][:50])
    assert not np.array_equal(first.images, drawn.images)
    np.testing.assert_array_equal(drawn.images, chosen(real, digits, 50, "random").images)
    assert not (first.targets == first.labels).any()
    assert len(set(((first.targets - first.labels) % 10).tolist())) == 9
    np.testing.assert_array_equal(chosen(real, digits, 20).images, first.images[:20])
    in_bytes = replace(
        digits, test=(np.round(digits.test[0] * 255).astype("uint8"), digits.test[1])
    )
    np.testing.assert_allclose(chosen(real, in_bytes, 20).images, first.images[:20], rtol=2e-7)


def test_one_target_for_all_leaves_out_its_own_class(real, digits):
    samples = chosen(real, digits, 1000, target=3)
    assert (samples.targets == 3).all()
    assert not (samples.labels == 3).any()
    assert len(samples.labels) == np.sum(digits.test[1] != 3)


def test_queries_are_counted(real, digits):
    net = Net(real)
    attack = groups.function("attack", attack_option("bim", iterations=7), [])
    perturbed(attack, net, digits.test[0][:30], digits.test[1][:30], 0)
    assert int(net.queries) == 7 * 30


def test_one_step_of_fgsm_is_too_weak_and_the_verdict_says_why(binarized):
    report = evaluated(binarized, "fgsm")
    metrics = report.metrics
    assert metrics["attack_identity/success_rate"] > metrics["attack/success_rate"] + 0.2
    assert metrics["trust/trusted"] == 0
    assert {"identity", "noise"} <= {reason.check for reason in report.reasons}
    verdict = report.verdict
    assert verdict.startswith("attack too weak: robust accuracy is at most ")
    assert verdict.endswith("; see docs/explanation/trust.md#identity")
    assert metrics["attack/images"] == 100
    assert metrics["attack/queries"] == 1


def test_adaptive_is_at_least_as_strong_as_each_of_its_backward_passes(binarized):
    keys = {"epsilon": 0.1, "checks": False}
    together = evaluated(
        binarized, "adaptive", estimators=["trained", "identity"], temperatures=[1.0], **keys
    )
    separate = [
        evaluated(binarized, "pgd", estimator=name, **keys) for name in ("trained", "identity")
    ]
    accuracies = [report.metrics["attack/robust_accuracy"] for report in separate]
    assert together.metrics["attack/robust_accuracy"] <= min(accuracies) + 0.01
    assert accuracies[0] > accuracies[1] + 0.1
    broke = [together.metrics[f"adaptive/{name}-1/broke"] for name in ("trained", "identity")]
    assert sum(broke) == pytest.approx(together.metrics["attack/broke"])


def test_suite_is_below_what_fgsm_suggests_and_counts_what_each_member_broke(binarized):
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
    assert report.gradient_free_only.mean() == pytest.approx(sum(list(broke.values())[-3:]))
    assert np.abs(report.images - report.samples.images).max() <= 0.1 + 1e-6


def test_gradients_are_those_of_the_surrogate_and_classes_those_of_the_net(binarized):
    report = evaluated(binarized, "pgd", source="twin", early_stop=False, checks=False)
    wrong = np.argmax(binarized.through("trained")(report.images), -1) != report.samples.labels
    assert report.metrics["attack/broke"] == pytest.approx(wrong.mean())
    assert "attack_identity/broke" not in report.metrics


def test_nets_of_the_same_shape_in_use_at_once_have_separate_weights(binarized):
    weights = [np.full_like(values, 0.5) for values in binarized.weights]
    other = RunNets(
        binarized.options, binarized.data, weights, binarized.load, binarized.on_progress
    )
    lent = [nets.through("trained") for nets in (binarized, other)]
    assert lent[0] is not lent[1]
    for net, expected in zip(lent, (binarized.weights, weights), strict=True):
        np.testing.assert_array_equal(net.model.get_weights()[0], expected[0])
    assert other.through("trained") is lent[1] is not other.through("trained", "abc")


def test_runs_of_the_same_shape_share_their_nets_and_programs_one_after_the_other(binarized):
    def nets_of(value):
        weights = [np.full_like(values, value) for values in binarized.weights]
        return RunNets(
            binarized.options, binarized.data, weights, binarized.load, binarized.on_progress
        )

    first = nets_of(0.25)
    net = first.through("trained")
    del first
    second = nets_of(0.5)
    assert second.through("trained") is net
    np.testing.assert_array_equal(net.model.get_weights()[0], 0.5)
    options = [attack_option("fgsm", epsilon=epsilon) for epsilon in (0.1, 0.1, 0.2)]
    keys = [json.dumps(groups.function("attack", option, []).keywords) for option in options]
    kind = np.dtype("int32")
    graphs = [batches._graph(gradient.fgsm, key, net, (28, 28), kind) for key in keys]
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


def test_an_attack_reports_its_progress(binarized, monkeypatch):
    calls = []
    monkeypatch.setattr(binarized, "on_progress", lambda *call: calls.append(call))
    monkeypatch.setattr(batches, "ATTACK_BATCH", 40)
    evaluated(binarized, "fgsm", checks=False, targeted=False, clip=True)
    ways = ("fgsm through trained", "fgsm through identity")
    assert calls == [(way, share) for way in ways for share in (0, 0.4, 0.8, 1)]


@needs_art
def test_an_attack_of_art_that_fails_does_so_in_one_line(binarized):
    option = {"method": "SquareAttack", "arguments": {}, "checks": False, "epsilon": 0.1}
    with pytest.raises(ConfigError, match=r"^attack=art failed: .*image") as raised:
        evaluated(binarized, "art", **option)
    assert "\n" not in str(raised.value)


def test_artifact_holds_the_images_and_their_predictions(binarized):
    report = evaluated(binarized, "noise", draws=2, checks=False)
    saved = np.load(
        io.BytesIO(artifacts.files(report, "noise")["adversarial.npz"]), allow_pickle=False
    )
    np.testing.assert_array_equal(saved["adversarial"], report.images)
    np.testing.assert_array_equal(saved["original"], report.samples.images)
    np.testing.assert_array_equal(
        np.argmax(binarized.through("ste")(saved["adversarial"]), -1), saved["prediction"]
    )


def test_exact_is_below_every_attack_and_certifies_nothing_that_one_breaks(binarized):
    exactly = evaluated(binarized, "exact", epsilon=0.01, seconds=0.3)
    certified = exactly.predictions == exactly.samples.labels
    metrics = exactly.metrics
    assert (
        metrics["attack_exact/robust_accuracy_low"] <= metrics["attack_exact/robust_accuracy_high"]
    )
    assert (
        metrics["attack_exact/robust_accuracy_high"] <= metrics["attack_exact/robust_accuracy_pgd"]
    )
    assert "contradicted" not in {reason.check for reason in exactly.reasons}
    adaptive = evaluated(binarized, "adaptive", epsilon=0.01, checks=False)
    broken = certified & (
        adaptive.predictions != adaptive.samples.labels
    )  # of which some may be undecided
    assert broken.mean() <= metrics["attack_exact/unknown"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"name": "exact", "solver": "highs", "precision": "full"},
            r"needs activations of -1 and \+1, got precision=full",
        ),
        ({"name": "suite", "members": ["cw_l2"]}, "cw_l2 has only the norm l2"),
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
            {"name": "adaptive", "base": "pdg"},
            r"attack\.base: attack must be one of adaptive, .*, got pdg",
        ),
        (
            {"name": "adaptive", "estimators": ["identiti"]},
            r"attack\.estimators must be one of trained, .*identiti",
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
            {"name": "adaptive", "base": ""},
            r"attack\.base: attack must be one of adaptive, .*, got $",
        ),
        (
            {"name": "suite", "members": ["pgd step=[1"]},
            r"attack\.members: step=\[1 is not YAML",
        ),
        (
            {"name": "suite", "members": ["exact"]},
            r"attack\.members: exact cannot be a member of another attack",
        ),
        ({"name": "suite", "members": []}, "attack=suite has no members"),
        (
            {"name": "square", "curve_iterations": [1]},
            "attack=square has no key iterations, which attack.curve_iterations varies",
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
        ConfigError, match=r"needs a key epsilon, and mylab.attacks.rotated has none"
    ):
        prepare.prepare({"attack": own, "plugins": ["mylab"]}, digits, store=None)


def test_a_surrogate_of_other_inputs_is_refused(digits, binarized):
    wide = replace(digits, train=(np.zeros((4, 32, 32), "float32"), digits.train[1][:4]))
    surrogate = RunNets(binarized.options, wide, [], binarized.load, binarized.on_progress)
    with pytest.raises(ConfigError, match=r"attack.source=abc does not fit inputs of \(32, 32\)"):
        surrogate.through("trained", "abc")


PLUGIN = """
import tensorflow as tf

def sharp(net, x, labels, seed, *, epsilon: float):
    return tf.clip_by_value(x + epsilon, 0.0, 1.0)
"""


@pytest.mark.parametrize("sees_gradient", [True, False])
def test_an_attack_of_a_plugin_states_whether_it_sees_the_gradient(
    sees_gradient, binarized, tmp_path, monkeypatch
):
    package = f"mylab_{sees_gradient}".lower()
    stated = "" if sees_gradient else "SEES_GRADIENT = False\n"
    (tmp_path / f"{package}.py").write_text(stated + PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(binarized, "plugins", [package])
    option = SHARED | {"name": f"{package}.sharp", "epsilon": 0.1, "images": 50, "checks": False}
    keys = {key: option[key] for key in parameters(*groups.SHARED["attack"])}
    report = evaluate.evaluate(binarized, option, **keys)
    assert ("attack_identity/robust_accuracy" in report.metrics) is sees_gradient
    assert report.gradient_free_only.any() == (not sees_gradient)


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
