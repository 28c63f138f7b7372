"""Groups: what varies labels them, and no run is dropped in silence."""

import pytest
from support.comparisons import lost, run

from brnn.compare.groups import grouped
from brnn.errors import ComparisonError


def names(groups):
    return [group.name for group in groups]


def test_runs_are_grouped_by_what_varies_except_the_seed():
    runs = [run(estimator, seed, 0.5) for estimator in ("ste", "identity") for seed in (2, 10, 1)]
    groups, _ = grouped(runs, "seed", [])
    assert names(groups) == ["ste", "identity"]
    assert [list(group.runs) for group in groups] == [["1", "2", "10"]] * 2
    assert [group.planned for group in groups] == [3, 3]


def test_any_key_may_be_the_replication():
    runs = [run(estimator, seed, 0.5) for estimator in ("ste", "identity") for seed in (0, 1)]
    groups, _ = grouped(runs, "estimator", [])
    assert names(groups) == ["seed=0", "seed=1"]
    with pytest.raises(ComparisonError, match=r"over=sed is not .*; did you mean seed\?"):
        grouped(runs, "sed", [])


def test_keys_that_follow_from_others_do_not_label_groups():
    recipes = {"ste": "modern", "identity": "original"}
    runs = [
        run(e, seed, 0.5, params={"recipe": recipe, "loss": recipe, "tracking.uri": f"{e}{seed}"})
        for e, recipe in recipes.items()
        for seed in (0, 1)
    ]
    groups, _ = grouped(runs, "seed", [])
    assert names(groups) == ["ste", "identity"]
    groups, _ = grouped(runs, "seed", ["epochs=3 recipe=modern,original seed=0,1"])
    assert names(groups) == ["modern", "original"]


def test_several_keys_label_groups_and_numbers_have_their_key():
    runs = [
        run(e, 0, 0.5, params={"optimizer.learning_rate": rate})
        for e in ("ste", "identity")
        for rate in ("0.1", "0.01")
    ]
    groups, _ = grouped(runs, "seed", [])
    assert names(groups)[:2] == [
        "ste optimizer.learning_rate=0.1",
        "ste optimizer.learning_rate=0.01",
    ]


def test_the_newest_of_repeated_runs_counts_and_is_reported():
    runs = [run("ste", 0, 0.1), run("ste", 1, 0.2), run("ste", 0, 0.3)]
    (group,), _ = grouped(list(reversed(runs)), "seed", [])
    assert group.runs["0"] is runs[2]
    assert group.repeated == {"0": 2}


def test_failed_and_missing_runs_are_kept():
    runs = [run("ste", seed, 0.5) for seed in range(4)]
    failed = run("identity", 1, status="failed")
    runs += [run("identity", 0, 0.5), failed, run("identity", 0, status="killed"), lost("x")]
    (ste, identity), unknown = grouped(runs, "seed", [])
    assert (ste.unfinished, ste.missing, ste.planned) == ([], [], 4)
    assert (identity.unfinished, identity.missing, identity.planned) == ([failed], ["2", "3"], 4)
    assert [r.name for r in unknown] == ["x"]


def test_a_run_that_failed_early_is_placed_by_its_name():
    runs = [run("ste", seed, 0.5) for seed in range(2)]
    groups, unknown = grouped(
        [*runs, lost("chernoff-s1", "estimator=chernoff", "seed=1")], "seed", []
    )
    assert sorted(names(groups)) == ["chernoff", "ste"]
    (chernoff,) = [group for group in groups if group.name == "chernoff"]
    assert (len(chernoff.unfinished), chernoff.missing, chernoff.planned) == (1, ["0"], 2)
    assert unknown == []


def test_values_that_are_lists_are_written_without_quotes():
    runs = [
        run("ste", seed, 0.5, params={"attack.members": members, "topology.kernels": "[3, 3]"})
        for members in ('["noise", "bim"]', '["noise"]')
        for seed in range(2)
    ]
    failed = lost("x", "attack.members=[noise]", "seed=7", "topology.kernels=[3,3]")
    groups, unknown = grouped([*runs, failed], "seed", [])
    failed = {group.name: len(group.unfinished) for group in groups}
    assert failed == {"attack.members=[noise,bim]": 0, "attack.members=[noise]": 1}
    assert unknown == []


def test_a_list_that_the_store_has_cut_is_left_as_it_is():
    runs = [run("ste", 0, 0.5, params={"k": k}) for k in ('["abc", "de', '["abc", "fg')]
    assert names(grouped(runs, "seed", [])[0]) == ['k=["abc", "de', 'k=["abc", "fg']


def test_a_choice_labels_groups_before_the_keys_of_its_options():
    runs = [run("ste", 0, 0.5)]
    runs += [run("triangle", 0, 0.5, params={"estimator.width": w}) for w in ("0.5", "2")]
    groups, _ = grouped(runs, "seed", ["estimator.width=0.5,2 seed=0", "estimator=ste,triangle"])
    assert names(groups) == ["ste", "triangle estimator.width=0.5", "triangle estimator.width=2"]


def test_a_group_without_any_of_the_keys_says_so():
    runs = [run("ste", s, 0.5, params={"a.b": str(s)} if s else ()) for s in range(3)]
    assert names(grouped(runs, "seed", [])[0]) == ["without a.b", "a.b=1", "a.b=2"]


@pytest.mark.parametrize("swept", ["estimator=a,b precision=x,ternary", ""])
def test_a_group_that_lacks_a_key_is_told_by_another_one(swept):
    runs = [run(e, s, 0.5, params={"precision": "x"}) for e in "ab" for s in range(2)]
    for seed in range(2):
        full = run("", seed, 0.4, params={"precision": "ternary"})
        full.params.pop("estimator")  # without effect
        runs.append(full)
    groups, _ = grouped(runs, "seed", [swept])
    assert sorted(names(groups)) == ["a x", "b x", "ternary"]
    assert list(groups[0].labels) == ["estimator", "precision"]
