"""A solver's verdicts agree with attacks."""

from brnn.robustness import certify, trust
from tests.support.evaluating import evaluated


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
    assert "contradicted_certificate" not in {reason.check for reason in exactly.reasons}
    adaptive = evaluated(binarized, "adaptive", epsilon=0.01, checks=False)
    broken = certified & (
        adaptive.predictions != adaptive.samples.labels
    )  # of which some may be undecided
    assert broken.mean() <= metrics["attack_exact/unknown"]


def test_images_undecided_or_contradicted_make_the_number_no_robust_accuracy():
    reasons = certify._reasons(undecided=0.05, contradicted=2)
    assert [reason.check for reason in reasons] == ["undecided", "contradicted_certificate"]
    assert trust.verdict(reasons, {}) == (
        "not trusted: 0.05 of the images are undecided; an attack breaks 2 certified images;"
        " see docs/explanation/trust.md#undecided"
    )
    assert trust.verdict(certify._reasons(0.0, 0), {}) == "trusted: yes"
