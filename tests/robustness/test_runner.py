"""Members of an attack: each on what those before it did not break."""

import importlib.util

import numpy as np
import pytest

from brnn.attacks import batches
from brnn.errors import ConfigError
from brnn.robustness import runner
from brnn.robustness.samples import Samples
from tests.support.attacking import norms
from tests.support.evaluating import evaluated

needs_art = pytest.mark.skipif(
    importlib.util.find_spec("art") is None, reason="needs the extra attacks"
)


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
    broke = [
        together.metrics[f"adaptive/{name}-1/broke_further"] for name in ("trained", "identity")
    ]
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
    assert "suite/fgsm-clip:true/broke_further" in broke
    assert sum(broke.values()) == pytest.approx(report.metrics["attack/broke"])
    assert list(broke)[-3:] == [
        "suite/noise/broke_further",
        "suite/mim-source:twin/broke_further",
        "suite/square-queries:50/broke_further",
    ]
    assert report.gradient_free_only.mean() == pytest.approx(sum(list(broke.values())[-3:]))
    assert np.abs(report.images - report.samples.images).max() <= 0.1 + 1e-6


def test_gradients_are_those_of_the_surrogate_and_classes_those_of_the_net(binarized):
    report = evaluated(binarized, "pgd", source="twin", early_stop=False, checks=False)
    wrong = np.argmax(binarized.through("trained")(report.images), -1) != report.samples.labels
    assert report.metrics["attack/broke"] == pytest.approx(wrong.mean())
    assert "attack_identity/broke" not in report.metrics


def test_an_attack_reports_its_progress(binarized, monkeypatch):
    calls = []
    monkeypatch.setattr(binarized, "on_progress", lambda *call: calls.append(call))
    monkeypatch.setattr(batches, "ATTACK_BATCH", 40)
    evaluated(binarized, "fgsm", checks=False, targeted=False, clip=True)
    ways = ("fgsm through trained", "fgsm through identity")
    assert calls == [(way, share) for way in ways for share in (0, 0.4, 0.8, 1)]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_noise_has_the_size_of_the_perturbation_in_the_norm_of_the_attack(norm):
    rng = np.random.default_rng(0)
    x = np.full((50, 8, 8), 0.5, "float32")
    samples = Samples(x, np.zeros(50, int), np.ones(50, int), np.zeros(50, int))
    images = x + rng.uniform(-0.01, 0.01, x.shape).astype("float32")
    images[:, 0, 0] += 0.2  # so that the two norms differ
    change = runner.noise(samples, images, norm, True, 0) - x
    ratios = norms(change, norm) / norms(images - x, norm)
    if norm == "l2":
        np.testing.assert_allclose(ratios, 1, rtol=1e-4)
        assert np.abs(change.mean(axis=0)).max() < 0.02  # no direction is preferred
    else:
        assert (ratios <= 1 + 1e-5).all()
        assert ratios.min() > 0.8  # the largest of 64 uniform values
    assert (runner.noise(samples, images + 9, norm, True, 0) <= 1).all()
    assert (runner.noise(samples, images + 9, norm, False, 0) > 1).any()


@pytest.mark.parametrize("clip", [True, False])
def test_the_uniform_noise_of_a_seed_is_its_formula_and_the_images_stay(clip):
    rng = np.random.default_rng(0)
    x, perturbed = rng.random((2, 5, 3, 3), "float32")
    samples = Samples(x.copy(), np.zeros(5, int), np.ones(5, int), np.zeros(5, int))
    images = perturbed.copy()
    size = np.abs(perturbed - x).reshape(5, -1).max(axis=1).reshape(5, 1, 1)
    draw = np.random.default_rng([7, 2]).random((5, 3, 3), "float32")
    expected = x + (2 * draw - 1) * size
    noisy = runner.noise(samples, images, "linf", clip, 7)
    np.testing.assert_array_equal(noisy, expected.clip(0, 1) if clip else expected)
    assert noisy.dtype == "float32"
    np.testing.assert_array_equal(samples.images, x)
    np.testing.assert_array_equal(images, perturbed)


@pytest.mark.parametrize("name", ["pgd", "cw_l2"])
def test_noise_of_an_attack_in_l2_has_its_l2_norm(name, binarized):
    keys = {"norm": "l2", "clip": False} if name == "pgd" else {"iterations": 5, "clip": False}
    metrics = evaluated(binarized, name, epsilon=1.5, checks=False, **keys).metrics
    assert metrics["attack_noise/l2"] == pytest.approx(metrics["attack/l2"], rel=1e-3)


@needs_art
def test_an_attack_of_art_that_fails_does_so_in_one_line(binarized):
    option = {"method": "SquareAttack", "arguments": {}, "checks": False, "epsilon": 0.1}
    with pytest.raises(ConfigError, match=r"^attack=art failed: .*image") as raised:
        evaluated(binarized, "art", **option)
    assert "\n" not in str(raised.value)
