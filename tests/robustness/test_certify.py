"""A solver's verdicts agree with attacks."""

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
    assert "contradicted" not in {reason.check for reason in exactly.reasons}
    adaptive = evaluated(binarized, "adaptive", epsilon=0.01, checks=False)
    broken = certified & (
        adaptive.predictions != adaptive.samples.labels
    )  # of which some may be undecided
    assert broken.mean() <= metrics["attack_exact/unknown"]
