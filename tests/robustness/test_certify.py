"""A solver's verdicts agree with attacks."""

import numpy as np
import pytest

from brnn.proof.attacked import AttackedNet
from brnn.proof.decide import METHODS, SAT, UNKNOWN, UNSAT, Verdict
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
    hidden = AttackedNet(binarized.through("identity").model, "linf", whole=False).net.hidden
    assert 0 < metrics["attack_exact/open_units"] < sum(len(layer.values) for layer in hidden)
    assert "contradicted_certificate" not in {reason.check for reason in exactly.reasons}
    adaptive = evaluated(binarized, "adaptive", epsilon=0.01, checks=False)
    broken = certified & (
        adaptive.predictions != adaptive.samples.labels
    )  # of which some may be undecided
    assert broken.mean() <= metrics["attack_exact/unknown"]


def test_images_that_were_decided_before_a_kill_are_not_decided_again(
    binarized, monkeypatch, tmp_path
):
    kinds, path = (UNSAT, SAT, UNKNOWN, UNSAT), tmp_path / "run.verdicts"
    calls: list[int] = []

    def killed(model, images, labels, examples, on_progress, *, stop):
        for number, x in enumerate(images):
            calls.append(number)
            if number == stop:
                raise KeyboardInterrupt
            status = kinds[(len(calls) - 1) % 4]
            witness = 1 - x if status == SAT else None
            cases = dict.fromkeys((*METHODS, "open"), len(calls))
            yield Verdict(status, 0.5, cases, witness, "a note")

    monkeypatch.setattr(binarized, "verdicts", path)
    for stop in (7, 1000):
        chosen = lambda *_, stop=stop: lambda *args: killed(*args, stop=stop)  # noqa: E731
        monkeypatch.setattr(certify.groups, "function", _decider(chosen))
        if stop == 7:
            with pytest.raises(KeyboardInterrupt):
                evaluated(binarized, "exact")
            path.write_bytes(path.read_bytes() + b'{"status": "uns')  # half a line
        else:
            report = evaluated(binarized, "exact")
    assert calls == [*range(8), *range(93)]
    assert len(path.read_text().splitlines()) == 100
    changed = np.flatnonzero((report.images != report.samples.images).any(axis=(1, 2)))
    assert changed[:2].tolist() == [1, 5]
    assert report.metrics["attack_exact/seconds"] == 0.5
    assert report.metrics["attack_exact/classes_open"] > 0


def _decider(chosen):
    function = certify.groups.function
    return lambda group, option, plugins: (
        chosen() if option["name"] == "exact" else function(group, option, plugins)
    )


def test_images_undecided_or_contradicted_make_the_number_no_robust_accuracy():
    reasons = certify._reasons(undecided=0.05, contradicted=2)
    assert [reason.check for reason in reasons] == ["undecided", "contradicted_certificate"]
    assert trust.verdict(reasons, {}) == (
        "not trusted: 0.05 of the images are undecided; an attack breaks 2 certified images;"
        " see docs/explanation/trust.md#undecided"
    )
    assert trust.verdict(certify._reasons(0.0, 0), {}) == "trusted: yes"
