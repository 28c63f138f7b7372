"""Searches: Optuna chooses the settings of the next jobs by what came of the earlier ones.

The study lies in a database, so that a search that was stopped goes on, and a job in another process can report to it.
"""

import math
from collections.abc import Callable
from pathlib import Path

import optuna

from brnn.errors import ConfigError

SQLITE = "sqlite:///"
ERROR = "error"  # attribute of a trial that failed by itself, not because the search was stopped

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(override) -> optuna.distributions.BaseDistribution:
    """What Optuna may choose from: values, a range or an interval, logarithmic in `tag(log, …)`."""
    value, log = override.value(), "log" in getattr(override.value(), "tags", ())
    if override.is_choice_sweep():
        return optuna.distributions.CategoricalDistribution(list(override.sweep_string_iterator()))
    if override.is_range_sweep():
        last = value.start + value.step * (math.ceil((value.stop - value.start) / value.step) - 1)
        kinds = optuna.distributions.IntDistribution, optuna.distributions.FloatDistribution
        kind = kinds[
            any(isinstance(number, float) for number in (value.start, value.stop, value.step))
        ]
        return kind(
            value.start, last, log=log, step=None if log and kind is kinds[1] else value.step
        )
    whole = isinstance(value.start, int) and isinstance(value.end, int)
    kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    return kind(value.start, value.end, log=log)


def study(
    *, storage: str, study: str, direction: str | list[str], sampler: dict, pruner: dict
) -> optuna.Study:
    """The study of a name, opened again where it exists; its sampler then draws other numbers than those before."""
    directions = [direction] if isinstance(direction, str) else direction
    if not set(directions) <= {"maximize", "minimize"}:
        raise ConfigError(
            f"hydra.sweeper.direction must be maximize or minimize, or a list of them, got {direction}"
        )
    if len(directions) > 1 and pruner["name"] != "NopPruner":
        raise ConfigError(
            f"hydra.sweeper.pruner={pruner['name']} needs one objective, got {len(directions)}"
        )
    opened = optuna.create_study(
        storage=_absolute(storage),
        study_name=study,
        directions=directions,
        pruner=_instance(optuna.pruners, optuna.pruners.BasePruner, "pruner", pruner),
        load_if_exists=True,
    )
    if sampler.get("seed") is not None:
        sampler = sampler | {"seed": sampler["seed"] + len(opened.trials)}
    opened.sampler = _instance(optuna.samplers, optuna.samplers.BaseSampler, "sampler", sampler)
    return opened


def ask(study: optuna.Study, space: dict, trials: int, parallel: int) -> list[optuna.Trial]:
    """The trials to run next, at most `parallel`; empty when the study has as many as `trials`.

    What was chosen for trials that were interrupted comes first.
    """
    left = trials - done(study)
    return [study.ask(space) for _ in range(min(parallel, left))]


def done(study: optuna.Study) -> int:
    """The number of trials that came to an end by themselves."""
    return sum(_counts(trial) for trial in study.get_trials(deepcopy=False))


def take_up(study: optuna.Study) -> None:
    """Puts the trials that an earlier process left running in front of the queue."""
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)


def tell(study: optuna.Study, trial: optuna.Trial, value: float | list[float]) -> None:
    """Records what came of a trial; a value that is not a number is a failure. Pruned trials are recorded already."""
    values = value if isinstance(value, list) else [value]
    if all(math.isfinite(one) for one in values):
        study.tell(trial, values, skip_if_finished=True)
        return
    if trial.number in {
        one.number for one in study.get_trials(states=[optuna.trial.TrialState.RUNNING])
    }:
        trial.set_user_attr(ERROR, True)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def best(study: optuna.Study) -> list[dict]:
    """Number, values and parameters of the best trial, or of all that no other surpasses in every objective."""
    return [{"trial": one.number, "values": one.values, **one.params} for one in study.best_trials]


def reporter(keys: dict, number: int, monitor: str) -> Callable[[int, dict], bool]:
    """A function that tells the study the metric of `monitor` after an epoch, and returns whether to go on."""
    opened = study(**keys)
    if len(opened.directions) > 1:
        return lambda epoch, metrics: True
    storage = optuna.storages.get_storage(_absolute(keys["storage"]))
    trial = optuna.Trial(
        opened,
        storage.get_trial_id_from_study_id_trial_number(
            storage.get_study_id_from_name(opened.study_name), number
        ),
    )
    word, key = monitor.split()
    sign = (
        1 if (word == "max") == (opened.direction == optuna.study.StudyDirection.MAXIMIZE) else -1
    )

    def report(epoch, metrics):
        if key not in metrics:
            raise ConfigError(
                f"monitor must name a metric of an epoch, got {key!r}: {', '.join(metrics)}"
            )
        trial.report(sign * metrics[key], epoch)
        if not trial.should_prune():
            return True
        opened.tell(number, state=optuna.trial.TrialState.PRUNED)
        return False

    return report


def _counts(trial):
    states = optuna.trial.TrialState
    return trial.state in (states.COMPLETE, states.PRUNED) or ERROR in trial.user_attrs


def _instance(module, base, key, keys):
    arguments = {name: value for name, value in keys.items() if name != "name"}
    kind = getattr(module, keys["name"], None)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        valid = ", ".join(
            sorted(n for n in dir(module) if isinstance(getattr(module, n), type) and n[0] != "B")
        )
        raise ConfigError(f"hydra.sweeper.{key}.name must be one of {valid}, got {keys['name']!r}")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"hydra.sweeper.{key}={keys['name']} does not take {arguments}: {error}"
        ) from error


def _absolute(uri):
    return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve()) if uri.startswith(SQLITE) else uri
