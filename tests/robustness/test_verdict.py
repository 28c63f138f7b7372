"""The verdict: each rule of the checks by itself, and its sentence."""

import re

import pytest

from brnn import paths
from brnn.robustness import trust

NAMES = (
    "zero_gradients",
    "steps",
    "more_steps",
    "restarts",
    "temperature",
    "identity",
    "squares",
    "single_step",
    "double_epsilon",
    "largest_epsilon",
    "missed_at_end",
    "gradient_free_only",
    "beyond_budget",
    "random_logits",
    "probabilities",
)


def reasons_of(missed=None, **changes):
    """The reasons of a net that no check objects to, but for `changes`."""
    clear = dict.fromkeys(NAMES, 0.0)
    values = clear | {"attack": 0.3, "clean": 0.9, "noise": 0.8, "half_epsilon": 0.5} | changes
    return trust._reasons(values, missed or {})


WEAK_AS_NOISE = {
    "attack": 0.8,
    "steps": 0.8,
    "single_step": 0.8,
    "half_epsilon": 0.9,
    "double_epsilon": 0.7,
}


@pytest.mark.parametrize(
    ("changes", "check", "text"),
    [
        ({"zero_gradients": 0.04}, "zero_gradients", "0.04 of the images have no gradient"),
        ({"missed_at_end": 0.1}, "missed_at_end", "0.1 of the images break on the way"),
        (WEAK_AS_NOISE, "noise_as_strong", "noise alone leaves 0.8, the attack 0.8"),
        (
            {"steps": 0.4, "single_step": 0.3},
            "single_step",
            "a single step leaves 0.3, 20 steps 0.4",
        ),
        (
            {"half_epsilon": 0.1, "steps": 0.3, "single_step": 0.3},
            "epsilon",
            "does not fall with epsilon",
        ),
        ({"double_epsilon": 0.3}, "epsilon", "does not fall with epsilon"),
        ({"largest_epsilon": 0.01}, "largest_epsilon", "0.01 of the images survive"),
        ({"gradient_free_only": 0.3}, "gradient_free_only", "0.3 of the images break only"),
        ({"beyond_budget": 0.5}, "beyond_budget", "0.5 of the images are beyond the budget"),
        ({"random_logits": 0.002}, "random_logits", "the logits differ by 0.002"),
        ({"probabilities": 1.0}, "probabilities", "the outputs are probabilities"),
        ({"missed": {"restarts": 0.037}}, "restarts", "two random starts break a further 0.037"),
    ],
)
def test_each_rule_by_itself(changes, check, text):
    (reason,) = reasons_of(**changes)
    assert reason.check == check
    assert text in reason.text
    assert reason.weakness == (check not in ("beyond_budget", "random_logits"))
    assert reasons_of() == []


def test_an_accuracy_of_0_cannot_be_too_high_but_can_be_wrong():
    weak = {"largest_epsilon": 0.1, "zero_gradients": 0.5, "probabilities": 1.0}
    weak |= {"missed": {"noise": 0.3}}
    assert reasons_of(attack=0.0, **weak) == []
    (reason,) = reasons_of(attack=0.0, beyond_budget=0.01, **weak)
    assert trust.verdict([reason], {}) == (
        "not trusted: 0.01 of the images are beyond the budget;"
        " see docs/explanation/trust.md#beyond-budget"
    )


def test_the_verdict_of_a_weak_attack_states_the_bound_and_three_reasons():
    missed = {"noise": 0.03, "restarts": 0.037, "steps": 0.5}
    reasons = reasons_of(missed, largest_epsilon=0.01, zero_gradients=0.2)
    metrics = {"trust/attack": 0.11, "trust/robust_accuracy": 0.04}
    assert trust.verdict(reasons, metrics) == (
        "attack too weak: robust accuracy is at most 0.04, not 0.11 (two random starts break a"
        " further 0.037; noise breaks a further 0.03; 0.2 of the images have no gradient; and 1"
        " more); see docs/explanation/trust.md#restarts"
    )


def test_the_verdict_without_a_lower_bound_states_a_doubt():
    metrics = {"trust/attack": 0.3, "trust/robust_accuracy": 0.3}
    assert trust.verdict(reasons_of(largest_epsilon=0.01), metrics) == (
        "attack too weak: robust accuracy may be below 0.3 (0.01 of the images survive the largest"
        " epsilon); see docs/explanation/trust.md#largest-epsilon"
    )


def test_every_check_has_its_section_in_the_documentation():
    page = (paths.conf().parent / trust.PAGE).read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    weak = dict.fromkeys(NAMES, 1.0) | {"half_epsilon": 0.0, "double_epsilon": 1.0}
    weak |= {"single_step": 0.0, "noise": 0.0}
    reasons = reasons_of(dict.fromkeys(trust.FURTHER, 0.5), **weak)
    assert {reason.check for reason in reasons} >= {
        *trust.FURTHER,
        "noise_as_strong",
        "missed_at_end",
    }
    checks = {reason.check for reason in reasons} | {"undecided", "contradicted_certificate"}
    assert {check.replace("_", "-") for check in checks} <= anchors
