"""Sweepers: which jobs a sweep has, and in which order they are launched."""

import builtins
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from brnn.config.locations import expand_home
from brnn.config.model_file import with_architecture
from brnn.config.objective import Outcome, check_objective, objectives
from brnn.errors import require
from brnn.sweeps import sweep
from brnn.sweeps.child import SweepTask
from brnn.sweeps.dry_run import dry_run
from brnn.sweeps.grid import grid_jobs
from brnn.sweeps.jobs import check_folder, outcome_of
from brnn.sweeps.outcomes import Row
from brnn.sweeps.overrides import constant_overrides, effective, unforced
from brnn.terminal import lines
from brnn.tracking.sweep_job import SweepJob


class Plugin(Protocol):
    """A sweeper as Hydra has set it up: the composed configuration, the task, and the launcher."""

    config: DictConfig
    context: HydraContext
    loader: ConfigLoader
    task: Callable[[DictConfig, SweepJob], Outcome | None]
    launcher: Launcher


def grid(plugin: Plugin, arguments: list[str], *, zip: list, params: dict[str, Any]) -> None:
    """Launch every combination of the values, as one batch.

    Args:
        plugin: the sweeper's plugin.
        arguments: the overrides of the command line.
        zip: keys whose values advance together.
        params: overrides by key; those of the command line take precedence.

    Raises:
        ConfigError: a combination of options does not exist, before any job is launched.
        SweepError: some jobs failed.
    """
    arguments, overrides = _parsed(plugin, arguments, params)
    jobs = grid_jobs(overrides, zip)
    constant = constant_overrides(overrides)
    if plugin.config.dry_run:
        composed = [_composed(plugin, job) for job in jobs]
        dry_run([_varied(job, constant) for job in jobs], composed)
        return
    for job in _distinct(plugin.loader, jobs):
        _composed(plugin, job)
    _warm(plugin.launcher, len(jobs))
    keys = {"zip": list(zip)}
    parent = sweep.parent_run(plugin.config, arguments, constant, keys, len(jobs))
    with parent as (_, common, lost):
        returns = _launch(plugin, jobs, common)
        lost.extend(_lost(returns, constant))


def optuna(
    plugin: Plugin,
    arguments: list[str],
    *,
    trials: int,
    parallel: int,
    study: str | None,
    direction: str | list[str] | None,
    params: dict[str, Any],
    **keys: Any,
) -> None:
    """Launch trials with values that Optuna chooses, until the study is complete.

    Args:
        plugin: the sweeper's plugin.
        arguments: the overrides of the command line.
        trials: the number of trials of the study, those of earlier commands included.
        parallel: the number of trials in a batch.
        study: the name of the study; None: one for each command line.
        direction: see `search.directions`.
        params: overrides by key; those of the command line take precedence.
        **keys: other keys of `search.open_study`.

    Raises:
        ConfigError: Optuna is not installed, or a key is not valid.
        SweepError: some jobs failed.
    """
    require("optuna", "hydra/sweeper=optuna", "optuna")
    from brnn.sweeps import search

    arguments, overrides = _parsed(plugin, arguments, params)
    swept = [override for override in overrides if override.is_sweep_override()]
    space = {override.get_key_element(): search.distribution(override) for override in swept}
    constant = constant_overrides(overrides)
    options = _composed(plugin, [*constant, *_overrides(search.example(space))])
    check_objective(options)
    keys["direction"] = search.directions(direction, objectives(options))
    keys["study"] = study or sweep.identify(arguments, keys)
    if plugin.config.dry_run:
        search.open_study(**keys | {"storage": None})  # checks the keys
        done = search.completed_before(keys["storage"], keys["study"])
        lines.note(f"study {keys['study']} has {done} of {trials} trials in {keys['storage']}")
        return
    opened = search.open_study(**keys)
    _warm(plugin.launcher, min(trials, parallel))
    parent = sweep.parent_run(plugin.config, arguments, constant, keys, trials)
    with parent as (run, common, lost):
        search.enqueue_interrupted(opened)
        while batch := search.next_trials(opened, space, trials, parallel):
            jobs = [[*constant, *_overrides(trial.params)] for trial in batch]
            returns = _launch(plugin, jobs, common, [trial.number for trial in batch])
            lost.extend(_lost(returns, constant))
            for trial, job in builtins.zip(batch, returns, strict=True):
                outcome = outcome_of(job)
                search.record(opened, trial, outcome.value if outcome else math.nan)
        if (number := search.completed(opened)) < trials:
            lines.note(f"all values were tried, in {number} of {trials} trials")
        best = search.best(opened)
        run.tag({"best": best})
        for values in best:
            lines.note("best: " + ", ".join(_overrides(values)))


def _parsed(
    plugin: Plugin, arguments: list[str], params: dict[str, Any]
) -> tuple[list[str], list[Override]]:
    """Return all overrides, as text and parsed.

    Raises:
        ConfigError: the jobs would run in folders of their own.
    """
    check_folder(plugin.config.hydra.job.chdir)
    lines = [unforced(line) for line in (*_overrides(params), *arguments)]
    overrides = effective(OverridesParser.create(plugin.loader).parse_overrides(lines))
    return [str(override.input_line) for override in overrides], overrides


def _overrides(values: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _varied(job: Sequence[str], constant: Sequence[str]) -> list[str]:
    """Return the overrides that distinguish a job."""
    return [override for override in job if override not in constant]


def _launch(
    plugin: Plugin, jobs: list[list[str]], common: SweepJob, trials: Sequence[int] = ()
) -> Sequence[JobReturn]:
    """Launch jobs, numbered from zero or from the first of their trials."""
    first = trials[0] if trials else 0
    task = SweepTask(plugin.task, common, dict(enumerate(trials, first)))
    plugin.launcher.setup(hydra_context=plugin.context, task_function=task, config=plugin.config)
    return plugin.launcher.launch(jobs, initial_job_idx=first)


def _warm(launcher: Launcher, jobs: int) -> None:
    if hasattr(launcher, "warm"):
        launcher.warm(jobs)


def _distinct(loader: ConfigLoader, jobs: list[list[str]]) -> list[list[str]]:
    """Return one job for each combination of options.

    Jobs that differ only in plain values compose alike, or not at all.
    """

    @cache
    def is_group(key: str) -> bool:
        return bool(loader.get_group_options(key.lstrip("+~").partition("@")[0]))

    distinct: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        keys = [override.partition("=")[0] for override in job]
        options = tuple(
            override if is_group(key) or "${" in override else key
            for override, key in builtins.zip(job, keys, strict=True)
        )
        distinct.setdefault(options, job)
    return list(distinct.values())


def _composed(plugin: Plugin, job: list[str]) -> dict[str, Any]:
    """Return the configuration of a job."""
    composed = plugin.loader.load_sweep_config(plugin.config, job)
    with open_dict(composed):
        del composed["hydra"]
    options = expand_home(OmegaConf.to_container(composed, resolve=True))  # type: ignore[arg-type]
    return with_architecture(options)


def _lost(returns: Sequence[JobReturn], constant: Sequence[str]) -> list[Row]:
    """Return rows for jobs that returned nothing."""
    return [
        {
            "name": " ".join(_varied(job.overrides or (), constant)),
            "status": "failed",
            "error": str(job._return_value),
        }
        for job in returns
        if job.status != JobStatus.COMPLETED
    ]
