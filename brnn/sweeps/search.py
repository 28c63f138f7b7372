"""Searches: Optuna chooses the values of the next jobs by the objectives of earlier ones.

A study is stored in a database, so that a search continues after a stop, and jobs in other
processes report to it.
"""

import math
import sys
from contextlib import suppress
from typing import Any, Literal

import optuna
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

from brnn import paths
from brnn.compare.metrics import direction as better
from brnn.contracts import OnEpoch
from brnn.errors import ConfigError
from brnn.tracking.sqlite_uri import absolute, is_absent

ERROR = "error"  # attribute of a trial whose job failed, as opposed to an interrupted one
SPACE = "space"  # attribute of a study: the distributions of its latest batch
EXHAUSTED = "exhausted"  # attribute of a study: whether all values of that space were tried

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(override: Override) -> BaseDistribution:
    """Return Optuna's distribution of an override: values, a range or an interval.

    `tag(log, …)` makes a range or an interval logarithmic.
    """
    value: Any = override.value()
    log = "log" in getattr(value, "tags", ())
    if override.is_choice_sweep():
        return CategoricalDistribution([_number(v) for v in override.sweep_string_iterator()])
    if override.is_range_sweep():
        return _range(value, log)
    return _interval(value, log)


def open_study(
    *,
    storage: str | None,
    study: str,
    direction: list[Literal["maximize", "minimize"]],
    sampler: dict[str, Any],
    pruner: dict[str, Any],
) -> optuna.Study:
    """Open a study, creating it if it does not exist.

    The seed of the sampler is offset by the number of trials, so that a continued study draws new
    values.

    Args:
        storage: the URI of its database; None: it is kept in memory.
        study: its name.
        direction: `maximize` or `minimize` for each objective.
        sampler: `name`, a class of `optuna.samplers`, and its arguments.
        pruner: `name`, a class of `optuna.pruners`, and its arguments.

    Raises:
        ConfigError: a key is not valid.
    """
    if len(direction) > 1 and pruner["name"] != "NopPruner":
        raise ConfigError(
            f"hydra.sweeper.pruner={pruner['name']} needs one objective, got {len(direction)}"
        )
    opened = optuna.create_study(
        storage=absolute(paths.expanded(storage)) if storage else None,
        study_name=study,
        directions=direction,
        pruner=_instance(optuna.pruners, optuna.pruners.BasePruner, "pruner", pruner),
        load_if_exists=True,
    )
    if sampler.get("seed") is not None:
        sampler = sampler | {"seed": sampler["seed"] + len(opened.trials)}
    opened.sampler = _instance(optuna.samplers, optuna.samplers.BaseSampler, "sampler", sampler)
    # a sampler that has tried all values calls it; Optuna's own raises an error outside `optimize`
    opened.stop = lambda: opened.set_user_attr(EXHAUSTED, True)  # type: ignore[method-assign]
    return opened


def directions(direction: str | list[str] | None, objectives: list[str]) -> list[str]:
    """Return whether to `maximize` or to `minimize` each objective.

    Args:
        direction: the given ones; None for those that are known: a loss is minimized, an accuracy
            maximized.
        objectives: names of metrics.

    Raises:
        ConfigError: a direction is not valid, is not known, or there are not as many as objectives.
    """
    if direction is None:
        given = [{1: "maximize", -1: "minimize"}.get(better(key), "") for key in objectives]
    else:
        given = [direction] if isinstance(direction, str) else direction
    if len(given) != len(objectives) or not set(given) <= {"maximize", "minimize"}:
        raise ConfigError(
            "hydra.sweeper.direction must be maximize or minimize, one for each of"
            f" objective={','.join(objectives)}, got {'null' if direction is None else direction}"
        )
    return given


def example(space: dict[str, Any]) -> dict[str, Any]:
    """Return the first value of each key."""
    return {
        key: d.choices[0] if isinstance(d, CategoricalDistribution) else d.low
        for key, d in space.items()
    }


def next_trials(
    study: optuna.Study, space: dict[str, BaseDistribution], trials: int, parallel: int
) -> list[optuna.Trial]:
    """Return the next trials, those of `enqueue_interrupted` first.

    Args:
        study: the study.
        space: the distribution of each key.
        trials: the number of completed trials at which the study ends.
        parallel: the largest number of trials to return.

    Returns:
        New trials of different values; none if the study is complete, or all values were tried.
    """
    if study.user_attrs.get(SPACE) != str(space):
        study.set_user_attr(SPACE, str(space))
        study.set_user_attr(EXHAUSTED, False)
    batch: list[optuna.Trial] = []
    if study.user_attrs[EXHAUSTED]:
        return batch
    unknown = max(1, _size(space) - len(_tried(study)))
    for _ in range(min(parallel, trials - completed(study), unknown)):
        trial = study.ask(space)
        if trial.params in [other.params for other in batch]:  # no other values are left for now
            study.tell(trial, state=TrialState.FAIL)
            break
        batch.append(trial)
    return batch


def completed(study: optuna.Study) -> int:
    """Return the number of trials that completed, failed or were pruned, but not interrupted."""
    return sum(_is_completed(trial) for trial in study.get_trials(deepcopy=False))


def completed_before(storage: str, study: str) -> int:
    """Return the number of completed trials of a study, which need not exist."""
    uri = absolute(paths.expanded(storage))
    if is_absent(uri) or study not in optuna.get_all_study_names(uri):
        return 0
    return completed(optuna.load_study(study_name=study, storage=uri))


def enqueue_interrupted(study: optuna.Study) -> None:
    """Repeat the trials that an earlier process left running before any new ones."""
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
        study.set_user_attr(EXHAUSTED, False)


def record(study: optuna.Study, trial: optuna.Trial, value: float | list[float]) -> None:
    """Record the objective of a trial; NaN or infinity is a failure, unless it was pruned."""
    values = value if isinstance(value, list) else [value]
    if all(map(math.isfinite, values)):
        study.tell(trial, values, skip_if_finished=True)
        return
    running = {t.number for t in study.get_trials(states=[TrialState.RUNNING])}
    if trial.number in running:
        trial.set_user_attr(ERROR, True)
        study.tell(trial, state=TrialState.FAIL)


def best(study: optuna.Study) -> list[dict[str, Any]]:
    """Return number, values and parameters of the best trial, or of each Pareto-optimal one."""
    return [{"trial": t.number, "values": t.values, **t.params} for t in study.best_trials]


def pruning(keys: dict[str, Any], number: int, monitor: str) -> OnEpoch:
    """Return a function that reports a metric to the study, and returns whether to continue.

    Args:
        keys: the keys of `open_study`.
        number: the number of the trial.
        monitor: `max` or `min`, and the name of a metric of an epoch, as the rehearsal has checked.
    """
    study = open_study(**keys)
    if len(study.directions) > 1:
        return lambda epoch, metrics: True
    trial = _trial(study, absolute(paths.expanded(keys["storage"])), number)
    word, key = monitor.split()
    sign = 1 if (word == "max") == (study.direction == StudyDirection.MAXIMIZE) else -1

    def should_continue(epoch: int, metrics: dict[str, float]) -> bool:
        trial.report(sign * metrics[key], epoch)
        if not trial.should_prune():
            return True
        study.tell(number, state=TrialState.PRUNED)
        return False

    return should_continue


def _size(space: dict[str, Any]) -> int:
    """Return the number of different values of a space; very large for one with intervals."""
    sizes = [
        len(d.choices)
        if isinstance(d, CategoricalDistribution)
        else 1 + int((d.high - d.low) / d.step)
        if d.step
        else sys.maxsize
        for d in space.values()
    ]
    return math.prod(sizes)


def _tried(study: optuna.Study) -> set[tuple]:
    """Return the different values of all trials but interrupted ones."""
    return {tuple(sorted(t.params.items())) for t in study.get_trials() if _is_completed(t)}


def _number(text: str) -> int | float | str:
    """Return the number that a value of a sweep states, else its text."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _range(sweep: RangeSweep, log: bool) -> BaseDistribution:
    values = (sweep.start, sweep.stop, sweep.step)
    start, stop, step = (float(value) for value in values)  # type: ignore[arg-type]
    last = start + step * (math.ceil((stop - start) / step) - 1)
    if all(isinstance(number, int) for number in (sweep.start, sweep.stop, sweep.step)):
        return IntDistribution(int(start), int(last), log=log, step=int(step))
    return FloatDistribution(start, last, log=log, step=None if log else step)


def _interval(sweep: IntervalSweep, log: bool) -> BaseDistribution:
    start: Any = sweep.start
    end: Any = sweep.end
    if isinstance(start, int) and isinstance(end, int):
        return IntDistribution(start, end, log=log)
    return FloatDistribution(start, end, log=log)


def _trial(study: optuna.Study, storage: str, number: int) -> optuna.Trial:
    """Return a trial that another process has asked for."""
    opened = optuna.storages.get_storage(storage)
    study_id = opened.get_study_id_from_name(study.study_name)
    return optuna.Trial(study, opened.get_trial_id_from_study_id_trial_number(study_id, number))


def _is_completed(trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs


def _instance(module: Any, base: type, key: str, keys: dict[str, Any]) -> Any:
    """Return an instance of a class of Optuna; `keys` are its name and its arguments."""
    arguments = {name: value for name, value in keys.items() if name != "name"}
    kind = getattr(module, keys["name"], None)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        classes = [n for n in dir(module) if isinstance(getattr(module, n), type) and n[0] != "B"]
        valid = ", ".join(sorted(classes))
        raise ConfigError(f"hydra.sweeper.{key}.name must be one of {valid}, got {keys['name']!r}")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"hydra.sweeper.{key}={keys['name']} does not take {arguments}: {error}"
        ) from error
