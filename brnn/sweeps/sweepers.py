"""Sweepers: which jobs a sweep has, and in which order they are launched.

`plugin` is the Hydra plugin: it has the composed `config`, Hydra's `context`, the `loader` that
composes a job's configuration from its overrides, the `task` function of a job, and the `launcher`.
"""

import builtins
import math
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf, open_dict

from brnn.errors import ConfigError
from brnn.sweeps import plan, sweep
from brnn.sweeps.grid import grid_jobs
from brnn.sweeps.overrides import values
from brnn.terminal import lines


def grid(plugin, arguments: list[str], *, zip: list, params: dict) -> None:
    """Launches every combination of the values, those of the keys in `zip` together."""
    arguments, overrides = _parsed(plugin, arguments, params)
    jobs = grid_jobs(overrides, zip)
    constant = _constant(overrides)
    if plugin.config.dry_run:
        composed = [_composed(plugin, job) for job in jobs]
        plan.plan([[one for one in job if one not in constant] for job in jobs], composed)
        return
    for job in _kinds(plugin.loader, jobs):
        _composed(plugin, job)  # which finds at once what no job could run with
    _warm(plugin.launcher, len(jobs))
    with sweep.parent(plugin.config, arguments, constant, {"zip": list(zip)}) as (_, common, lost):
        returns = _launch(plugin, jobs, common)
        lost.extend(_lost(returns, constant))


def optuna(
    plugin,
    arguments: list[str],
    *,
    trials: int,
    parallel: int,
    study: str | None,
    params: dict,
    **keys,
) -> None:
    """Launches `parallel` trials at a time, with values that Optuna chooses, until the study has `trials`."""
    try:
        from brnn.sweeps import search
    except ImportError as error:
        raise ConfigError(
            "hydra/sweeper=optuna needs a package: pip install 'brnn[optuna]'"
        ) from error
    arguments, overrides = _parsed(plugin, arguments, params)
    space = {
        one.get_key_element(): search.distribution(one)
        for one in overrides
        if one.is_sweep_override()
    }
    constant = _constant(overrides)
    how = {**keys, "study": study or sweep.identify(arguments, keys)}
    opened = search.study(**how)
    if plugin.config.dry_run:
        lines.note(
            f"study {how['study']} has {search.done(opened)} of {trials} trials in {keys['storage']}"
        )
        return
    _warm(plugin.launcher, min(trials, parallel))
    with sweep.parent(plugin.config, arguments, constant, how) as (run, common, lost):
        search.take_up(opened)
        while batch := search.ask(opened, space, trials, parallel):
            jobs = [
                [*constant, *(f"{key}={value}" for key, value in one.params.items())]
                for one in batch
            ]
            returns = _launch(plugin, jobs, common, [one.number for one in batch])
            lost.extend(_lost(returns, constant))
            for trial, one in builtins.zip(batch, returns, strict=True):
                search.tell(
                    opened,
                    trial,
                    one.return_value if one.status == JobStatus.COMPLETED else math.nan,
                )
        best = search.best(opened)
        run.tag({"best": best})
        for one in best:
            lines.note(f"best: {', '.join(f'{key}={value}' for key, value in one.items())}")


def _parsed(plugin, arguments, params):
    arguments = [*(f"{key}={value}" for key, value in params.items()), *arguments]
    return arguments, OverridesParser.create(plugin.loader).parse_overrides(arguments)


def _constant(overrides):
    return [value for one in overrides if not one.is_sweep_override() for value in values(one)]


def _launch(plugin, jobs, common, trials=()):
    """Launches jobs, numbered from zero or from the first of their trials."""
    first = trials[0] if trials else 0
    task = sweep.Task(plugin.task, common, dict(enumerate(trials, first)))
    plugin.launcher.setup(hydra_context=plugin.context, task_function=task, config=plugin.config)
    return plugin.launcher.launch(jobs, initial_job_idx=first)


def _warm(launcher, jobs):
    if hasattr(launcher, "warm"):
        launcher.warm(jobs)


def _kinds(loader, jobs):
    """One job for each combination of options: those that differ in plain values compose alike, or not at all."""

    @cache
    def is_group(key):
        return bool(loader.get_group_options(key.lstrip("+~").partition("@")[0]))

    kinds = {}
    for job in jobs:
        keys = [one.partition("=")[0] for one in job]
        kind = (
            one if is_group(key) or "${" in one else key
            for one, key in builtins.zip(job, keys, strict=True)
        )
        kinds.setdefault(tuple(kind), job)
    return kinds.values()


def _composed(plugin, job):
    """The configuration of a job."""
    composed = plugin.loader.load_sweep_config(plugin.config, job)
    with open_dict(composed):
        del composed["hydra"]
    return OmegaConf.to_container(composed, resolve=True)


def _lost(returns, constant):
    """Rows for the table, of jobs that returned nothing."""
    return [
        {
            "name": " ".join(override for override in one.overrides if override not in constant),
            "status": "failed",
            "error": str(one._return_value),
        }
        for one in returns
        if one.status != JobStatus.COMPLETED
    ]
