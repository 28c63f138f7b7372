"""Searches: distributions, and studies that continue after an interruption."""

import math

import pytest

from brnn.errors import ConfigError

optuna = pytest.importorskip("optuna")
from brnn.sweeps import search  # noqa: E402  needs Optuna


@pytest.fixture
def keys(tmp_path):
    """The keys of a study."""
    return {
        "storage": f"sqlite:///{tmp_path}/optuna.db",
        "study": "one",
        "direction": ["maximize"],
        "sampler": {"name": "RandomSampler", "seed": 0},
        "pruner": {"name": "NopPruner"},
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=x,y", optuna.distributions.CategoricalDistribution(["x", "y"])),
        ("a=1,0.5,1e-3,'2'", optuna.distributions.CategoricalDistribution([1, 0.5, 1e-3, "'2'"])),
        ("a=range(1,8,3)", optuna.distributions.IntDistribution(1, 7, step=3)),
        ("a=range(0.5,2)", optuna.distributions.FloatDistribution(0.5, 1.5, step=1)),
        ("a=interval(1,3)", optuna.distributions.FloatDistribution(1, 3)),
        ("a=int(interval(1,3))", optuna.distributions.IntDistribution(1, 3)),
        (
            "a=tag(log,interval(1e-3,1))",
            optuna.distributions.FloatDistribution(1e-3, 1, log=True),
        ),
    ],
)
def test_an_override_has_a_distribution(overrides, line, expected):
    (override,) = overrides(line)
    assert search.distribution(override) == expected


def test_interrupted_trials_are_repeated_and_failed_ones_count(keys):
    space = {"a": optuna.distributions.FloatDistribution(0, 1)}
    study = search.open_study(**keys)
    completed, failed, interrupted = search.next_trials(study, space, 4, 3)
    search.record(study, completed, 0.5)
    search.record(study, failed, math.nan)
    assert search.completed(study) == 2
    again = search.open_study(**keys)
    search.enqueue_interrupted(again)
    assert search.completed(again) == 2
    repeated, new = search.next_trials(again, space, 4, 3)
    assert repeated.params == interrupted.params
    assert new.params not in [trial.params for trial in (completed, failed, interrupted)]
    assert search.best(again) == [{"trial": 0, "values": [0.5], **completed.params}]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sampler", {"name": "Unknown"}, "hydra.sweeper.sampler.name must be one of .*TPESampler"),
        ("pruner", {"name": "NopPruner", "a": 1}, "hydra.sweeper.pruner=NopPruner does not take"),
    ],
)
def test_an_invalid_key_of_a_study_is_refused(keys, key, value, message):
    with pytest.raises(ConfigError, match=message):
        search.open_study(**keys | {key: value})


def test_a_plan_counts_the_trials_of_a_study_and_creates_none(keys, tmp_path):
    space = {"a": optuna.distributions.IntDistribution(0, 9)}
    keys["storage"] = f"sqlite:///{tmp_path}/plan.db"
    assert search.completed_before(keys["storage"], "x") == 0
    assert not (tmp_path / "plan.db").exists()
    study = search.open_study(**keys | {"study": "x"})
    (trial,) = search.next_trials(study, space, 1, 1)
    search.record(study, trial, 0.5)
    assert [search.completed_before(keys["storage"], name) for name in ("x", "y")] == [1, 0]
    assert optuna.get_all_study_names(keys["storage"]) == ["x"]


def test_a_pruner_needs_one_objective(keys):
    several = {"direction": ["maximize", "minimize"], "pruner": {"name": "MedianPruner"}}
    with pytest.raises(ConfigError, match="pruner=MedianPruner needs one objective, got 2"):
        search.open_study(**keys | several)


@pytest.mark.parametrize(
    ("direction", "objectives", "expected"),
    [
        (None, ["validation/accuracy"], ["maximize"]),
        (None, ["validation/loss"], ["minimize"]),
        (None, ["trust/robust_accuracy", "size/bits_per_weight"], ["maximize", "minimize"]),
        ("minimize", ["validation/accuracy"], ["minimize"]),
        (["maximize", "minimize"], ["sparsity/all", "test/loss"], ["maximize", "minimize"]),
    ],
)
def test_a_loss_is_minimized_and_an_accuracy_maximized(direction, objectives, expected):
    assert search.directions(direction, objectives) == expected


@pytest.mark.parametrize(
    ("direction", "objectives"),
    [("up", ["test/loss"]), (None, ["sparsity/all"]), ("maximize", ["test/loss", "test/accuracy"])],
)
def test_an_unknown_direction_is_refused(direction, objectives):
    message = f"direction must be maximize or minimize, one for each of objective={objectives[0]}"
    with pytest.raises(ConfigError, match=message):
        search.directions(direction, objectives)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", ["BruteForceSampler", "GridSampler"])
def test_a_search_ends_when_all_values_were_tried(keys, sampler, overrides):
    space = {o.get_key_element(): search.distribution(o) for o in overrides("a=1,2", "b=x,y,z")}
    keys["sampler"] = {"name": sampler, "seed": 0}
    if sampler == "GridSampler":
        keys["sampler"] |= {"search_space": {"a": [1, 2], "b": ["x", "y", "z"]}}
    study, tried = search.open_study(**keys), []
    while batch := search.next_trials(study, space, 20, 4):
        tried += [(trial.params["a"], trial.params["b"]) for trial in batch]
        for trial in batch:
            search.record(study, trial, float(trial.params["a"]))
    assert set(tried) == {(a, b) for a in (1, 2) for b in "xyz"}
    assert len(tried) == 6
    assert search.best(study)[0]["a"] == 2
    again = search.open_study(**keys)
    assert search.next_trials(again, space, 20, 4) == []


def test_the_example_of_a_space_holds_its_first_values(overrides):
    lines = ("a=x,y", "b=range(2,8)", "c=interval(0.5,3)")
    space = {o.get_key_element(): search.distribution(o) for o in overrides(*lines)}
    assert search.example(space) == {"a": "x", "b": 2, "c": 0.5}
