"""Evaluation: the attack, its controls, its curves and its verdict."""

import pytest

from brnn import figures
from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.robustness import artifacts, evaluate
from tests.support.evaluating import SHARED, evaluated

PLUGIN = """
import tensorflow as tf

def sharp(net, x, labels, seed, *, epsilon: float):
    return tf.clip_by_value(x + epsilon, 0.0, 1.0)
"""


def test_one_step_of_fgsm_is_too_weak_and_the_verdict_states_why(binarized):
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


def test_the_bound_of_the_checks_depends_on_the_attack_only_as_far_as_it_breaks_more(binarized):
    attacks = {
        "noise": {"draws": 1},  # breaks nothing that the checks do not
        "fgsm": {"clip": True},
        "deepfool": {"iterations": 2},
        "pgd": {"iterations": 1, "estimator": "approx_sign"},
        "mim": {"source": "twin", "iterations": 2},
        "suite": {"members": ["fgsm clip=true", "noise draws=1"]},
    }
    measured = {name: evaluated(binarized, name, **keys).metrics for name, keys in attacks.items()}
    reference = measured["noise"]
    bound = reference["trust/robust_accuracy"]
    for name, metrics in measured.items():
        for probe in ("identity", "noise", "squares"):
            assert metrics[f"trust/{probe}"] == reference[f"trust/{probe}"], name
        assert metrics["trust/attack"] > bound + 0.2, name  # each of them is weak
        assert bound - 0.03 < metrics["trust/robust_accuracy"] <= bound, name
    strong = evaluated(binarized, "apgd", estimator="identity", iterations=100, restarts=3).metrics
    assert strong["trust/robust_accuracy"] <= bound


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
    drawn = artifacts.drawn(report, "pgd")
    assert {"robust_accuracy_by_epsilon", "robust_accuracy_by_iterations"} < drawn.keys()
    assert figures.files(drawn["robust_accuracy_by_epsilon"], "a", ["svg"]).keys() == {"a.svg"}


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
    report = evaluate.evaluate_run(binarized, option, **keys)
    assert ("attack_identity/robust_accuracy" in report.metrics) is sees_gradient
    assert report.gradient_free_only.any() == (not sees_gradient)
