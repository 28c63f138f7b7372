"""Comparisons: statistics of groups, tests between them, sentences and notes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from support.comparisons import compared, lost, run

from brnn.compare import formats
from brnn.compare.formats import csv_text
from brnn.compare.sentences import conclusions, heading
from brnn.compare.table import best_groups
from brnn.errors import ComparisonError

RNG = np.random.default_rng(5)
WEAK = RNG.normal(0.80, 0.01, 6)
STRONG = WEAK + 0.05 + RNG.normal(0, 0.005, 6)
BETWEEN = WEAK + 0.05 + RNG.normal(0, 0.02, 6)


def runs_of(**samples):
    return [run(name, seed, v) for name, vs in samples.items() for seed, v in enumerate(vs)]


def test_groups_have_mean_deviation_interval_count_and_best_in_the_order_of_their_means():
    found = compared(runs_of(weak=WEAK, strong=STRONG))
    assert [group.name for group in found.groups] == ["strong", "weak"]
    summary = found.table[1]["test/accuracy"]
    ends = stats.ttest_1samp(WEAK, 0).confidence_interval(0.95)
    numbers = (summary.mean, summary.std, summary.low, summary.high)
    assert numbers == pytest.approx((WEAK.mean(), WEAK.std(ddof=1), *ends), rel=1e-9)
    assert summary.best == str(np.argmax(WEAK))


def test_pairs_are_tested_over_seeds_and_corrected_for_all_tests():
    found = compared(runs_of(weak=WEAK, strong=STRONG, between=BETWEEN))
    samples = {"weak": WEAK, "strong": STRONG, "between": BETWEEN}
    assert found.tests == 3
    raw = []
    for contrast in found.contrasts:
        first, second = (samples[found.groups[i].name] for i in (contrast.first, contrast.second))
        raw.append(stats.ttest_rel(first, second).pvalue)
        assert contrast.difference.p == pytest.approx(raw[-1], rel=1e-9)
    smallest = int(np.argmin(raw))
    assert found.contrasts[smallest].p == pytest.approx(3 * raw[smallest], rel=1e-9)


def test_the_order_of_the_runs_does_not_change_the_numbers():
    runs = runs_of(weak=WEAK, strong=STRONG)
    shuffled = [runs[i] for i in np.random.default_rng(1).permutation(len(runs))]
    assert csv_text(compared(shuffled)) == csv_text(compared(runs))
    assert compared(shuffled).contrasts == compared(runs).contrasts


def test_groups_whose_seeds_differ_are_compared_by_welch_s_test():
    runs = [run("weak", seed, v) for seed, v in enumerate(WEAK)]
    runs += [run("strong", 100 + seed, v) for seed, v in enumerate(STRONG)]
    (contrast,) = compared(runs).contrasts
    assert ", 6 and 6 runs, effect " in conclusions(compared(runs))[0]
    expected = stats.ttest_ind(STRONG, WEAK, equal_var=False)
    assert contrast.difference.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert not contrast.difference.paired


def test_a_baseline_is_compared_with_all_others_and_only_with_them():
    found = compared(runs_of(weak=WEAK, strong=STRONG, between=BETWEEN), baseline="estimator=weak")
    assert {found.groups[c.second].name for c in found.contrasts} == {"weak"}
    assert found.tests == 2
    with pytest.raises(ComparisonError, match="baseline=estimator=week fits no group; the groups"):
        compared(runs_of(weak=WEAK, strong=STRONG), baseline="estimator=week")


def test_a_decided_test_is_a_sentence():
    text = conclusions(compared(runs_of(weak=WEAK, strong=STRONG)))[0]
    test = stats.ttest_rel(STRONG, WEAK)
    low, high = test.confidence_interval(0.95)
    assert test.pvalue < 0.001
    assert text.startswith(
        f"test/accuracy: strong beats weak by {np.mean(STRONG - WEAK):.4f}, 95 % {low:.4f} to"
        f" {high:.4f}, p < 0.001 after Holm, 6 pairs, effect "
    )


def test_of_a_loss_the_lower_beats_and_the_interval_is_positive():
    runs = [run("high", s, **{"test/loss": v}) for s, v in enumerate(STRONG)]
    runs += [run("low", s, **{"test/loss": v}) for s, v in enumerate(WEAK)]
    low, high = stats.ttest_rel(STRONG, WEAK).confidence_interval(0.95)
    text = conclusions(compared(runs))[0]
    assert f"low beats high by {np.mean(STRONG - WEAK):.4f}, 95 % {low:.4f} to {high:.4f}" in text


def test_an_undecided_test_states_how_many_runs_would_decide():
    text = conclusions(compared(runs_of(between=BETWEEN, strong=STRONG)))[0]
    assert "no decision between" in text
    assert "pairs would" in text


def test_one_seed_says_nothing_about_differences():
    found = compared([run("ste", 0, 0.9), run("identity", 0, 0.8)])
    assert conclusions(found) == []
    assert any(note.startswith("each group has at most one run") for note in found.notes)
    found = compared([run("ste", 0, 0.9), run("ste", 1, 0.8), run("identity", 0, 0.8)])
    assert conclusions(found)[0] == (
        "test/accuracy: one run says nothing about ste and identity; add seed='range(5)'"
    )


def test_what_does_not_count_is_noted():
    runs = runs_of(weak=WEAK, strong=STRONG[:4])
    runs += [run("strong", 4, status="failed", tags={"error": "diverged"}), lost("x")]
    runs += [run("weak", 0, 0.81)]
    found = compared(runs)
    assert "11 of 12 runs" not in heading(found)
    assert heading(found).startswith("10 of 12 runs in 2 groups by estimator")
    assert "weak has 2 runs of seed=0; the newest counts" in found.notes
    assert "strong: 1 failed (diverged)" in found.notes
    assert "strong has no run of seed=5" in found.notes
    assert "1 failed before their group was known: x" in found.notes


def test_values_that_are_not_finite_are_counted():
    found = compared([*runs_of(a=[0.8, float("nan"), 0.9], b=[0.5, 0.6, 0.7])])
    assert "a: 1 of 3 runs have no finite test/accuracy" in found.notes
    assert found.table[0]["test/accuracy"].mean == pytest.approx(0.85)


def test_versions_of_the_code_and_equal_groups_are_noted():
    runs = [
        run(e, s, v, tags={"brnn_version": "0.2.0", "git_commit": commit * 8})
        for e, commit in (("a", "c"), ("b", "d"))
        for s, v in enumerate(WEAK)
    ]
    found = compared(runs)
    assert "runs of 2 versions of the code: 0.2.0 ccccccc (6 runs), 0.2.0 ddddddd (6 runs)" in (
        found.notes
    )
    assert any(note.startswith("a and b have equal values in every run") for note in found.notes)
    stated = "12 runs in 2 groups by estimator, over seed, of 2 versions of the code"
    assert heading(found) == stated
    assert stated in formats.latex(found)
    assert {row.rpartition(",")[2] for row in csv_text(found).splitlines()[1:]} == {"1"}


def test_a_baseline_may_be_a_list():
    runs = [
        run("ste", seed, seed / 10, params={"topology.kernels": kernels})
        for kernels in ("[3, 3]", "[5, 5]")
        for seed in range(2)
    ]
    for text in ("[3,3]", "[3, 3]"):
        found = compared(runs, baseline=f"topology.kernels={text}")
        assert found.groups[found.baseline].name == "topology.kernels=[3,3]"
    both = compared(runs, baseline="topology.kernels=[5,5]")
    assert both.groups[both.baseline].name == "topology.kernels=[5,5]"


def test_the_number_to_believe_stands_beside_a_claim_even_if_it_is_constant():
    runs = [
        run(name, s, 0.5 + s / 9, tags={"trusted": "yes"},
            **{"attack/robust_accuracy": claim + s / 10, "trust/robust_accuracy": 0.0})
        for name, claim in (("a", 0.0), ("b", 0.3)) for s in range(2)
    ]  # fmt: skip
    found = compared(runs)
    shown = ["test/accuracy", "trust/robust_accuracy", "attack/robust_accuracy"]
    assert (found.metrics, found.constant) == (shown, {})
    assert list(found.front) == [("test/accuracy", "trust/robust_accuracy")]


def test_a_choice_without_effect_is_named_and_its_values_are_one_group():
    runs = [run(name, seed, 0.5 + seed) for name in ("ste", "identity") for seed in range(2)]
    for seed in range(2):
        full = run("", seed, 0.4, tags={"without_effect": "estimator"})
        shared = {key: value for key, value in full.params.items() if key != "estimator"}
        runs.append(replace(full, params=shared | {"precision": "full"}))
    comparison = compared(runs, "precision=full,binarynet estimator=ste,identity seed=0,1")
    assert sorted(group.name for group in comparison.groups) == [
        "binarynet identity", "binarynet ste", "full",
    ]  # fmt: skip
    note = "full: estimator has no effect; its values share one run of each seed"
    assert note in comparison.notes


def test_a_claimed_robustness_stands_beside_its_verdict():
    runs = [
        run(
            "a", s, 0.9, tags={"trusted": verdict},
            **{"attack/robust_accuracy": 0.5 + s / 10, "trust/robust_accuracy": 0.1 + s / 10},
        )
        for s, verdict in enumerate(["yes", "attack too weak: …", "yes"])
    ]  # fmt: skip
    (note,) = [note for note in compared(runs).notes if "not trusted" in note]
    assert note.startswith(
        "attack/robust_accuracy is not trusted in 1 of 3 runs (all runs 1); the number"
    )


def test_the_pareto_front_of_accuracy_and_size_is_named():
    sizes = {"a": 1.0, "b": 2.0, "c": 2.0}
    accuracy = {"a": 0.8, "b": 0.9, "c": 0.7}
    runs = [
        run(e, s, accuracy[e] + s / 100, **{"size/bits_per_weight": sizes[e]})
        for e in "abc"
        for s in range(3)
    ]
    assert "Pareto front of test/accuracy and size/bits_per_weight: b, a" in conclusions(
        compared(runs)
    )


def test_the_objective_comes_first_and_regression_has_a_loss():
    runs = [
        run("a", s, params={"objective": '["sparsity/all", "test/loss"]'},
            **{"test/loss": 1.0 + s, "sparsity/all": s / 10})
        for s in range(3)
    ]  # fmt: skip
    assert compared(runs).metrics == ["sparsity/all", "test/loss"]
    runs = [run("a", s, **{"test/loss": 1.0 + s}) for s in range(3)]
    assert compared(runs).metrics == ["test/loss"]


def test_a_metric_that_no_run_has_is_refused_with_the_nearest():
    message = "metrics: no run has test/acuracy; the nearest are: test/accuracy"
    with pytest.raises(ComparisonError, match=message):
        compared(runs_of(a=WEAK), metrics=["test/acuracy"])
    with pytest.raises(ComparisonError, match="none of the 1 runs has a metric"):
        compared([run("a", 0)])


def test_a_metric_that_is_named_twice_is_tested_once():
    runs = runs_of(weak=WEAK, strong=STRONG)
    once, twice = (compared(runs, metrics=["test/accuracy"] * count) for count in (1, 2))
    assert (twice.tests, twice.metrics) == (1, ["test/accuracy"])
    assert twice.contrasts == once.contrasts


def test_ranks_need_more_pairs_than_those_that_did_not_decide():
    found = compared(runs_of(weak=WEAK, strong=STRONG, more=STRONG[::-1] + 0.1), test="wilcoxon")
    undecided = [contrast for contrast in found.contrasts if contrast.p >= 0.05]
    assert len(undecided) == 3
    assert all(contrast.needed > 6 for contrast in undecided)  # p is at least 3 * 2 / 2^6


def test_a_description_is_cut_at_the_end_of_a_line():
    found = compared(runs_of(**{f"group{i:02}": WEAK + i / 100 for i in range(30)}))
    text = formats.note(found, "brnn seed=0,1", 1000)
    assert len(text) <= 1000
    assert text.startswith("| estimator | n | test/accuracy |\n|---|---|---|\n| group29 | 6 | **")
    assert text.endswith(" |\n\n… more: artifact comparison.html")


def test_a_claimed_robustness_is_never_the_best():
    runs = [
        run(e, s, **{"attack/robust_accuracy": high + s / 10, "trust/robust_accuracy": s / 10})
        for e, high in (("a", 0.1), ("b", 0.5))
        for s in range(2)
    ]
    found = compared(runs, metrics=["attack/robust_accuracy", "trust/robust_accuracy"])

    assert best_groups(found, "attack/robust_accuracy") == set()
    assert best_groups(found, "trust/robust_accuracy") == {0, 1}
