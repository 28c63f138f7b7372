"""Sweeps: the jobs of one command are children of one parent run, and none stops the others.

Repeating the command goes on with the same parent: jobs that finished are skipped, and the others are run, from
their checkpoints where they have one.
"""

import itertools
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from brnn import config, identity, terminal

TRACEBACK = "BRNN_TRACEBACK"  # environment variable of a user who wants the traceback of an error
SHOWN = ("test/accuracy", "sparsity/all", "attack/robust_accuracy", "attack/success_rate", "time/seconds")
TOLD = ("precision", "estimator", "topology", "seed", "experiment", "tracking")  # in the name of a run, or needless
FREE = {*identity.APART, "hydra"} - {"objective"}  # keys on which the identity of a sweep does not depend


class SweepError(RuntimeError):
    """Some jobs of a sweep failed."""


@dataclass(frozen=True)
class Task:
    """The task function of a launch: it passes to `function` what the job has to know of its sweep.

    `sweep_job` is what the jobs have in common, `trials` are the numbers of their trials, if they
    have any, by the numbers of the jobs.
    """

    function: Callable
    sweep_job: identity.SweepJob
    trials: dict[int, int]

    def __call__(self, composed) -> float | list[float]:
        """Runs the job of which Hydra has the number."""
        number = HydraConfig.get().job.num
        job = replace(self.sweep_job, number=number, trial=self.trials.get(number))
        return self.function(composed, job)


def grid(overrides: Sequence, together: Sequence) -> list[list[str]]:
    """The jobs of a sweep, as lists of overrides: every combination of their values, in order, none twice.

    The keys in `together`, a list or a list of lists, take their first values in the same job, then their second ones.
    """
    columns = {override.get_key_element(): values(override) for override in overrides}
    groups = [together] if together and isinstance(together[0], str) else together
    axes = {key: [(value,) for value in column] for key, column in columns.items()}
    for group in groups:
        axes[group[0]] = _zipped({key: columns.get(key, []) for key in group})
        for key in group[1:]:
            del axes[key]
    jobs = (tuple(itertools.chain(*parts)) for parts in itertools.product(*axes.values()))
    return [list(job) for job in dict.fromkeys(jobs)]


def _zipped(columns):
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 or 0 in lengths:
        told = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise config.ConfigError(f"hydra.sweeper.zip: keys that go together need as many values each, but {told}")
    return list(zip(*columns.values(), strict=True))


def values(override):
    """What an override sets its key to, job by job."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise config.ConfigError(f"{override.input_line}: an interval needs hydra/sweeper=optuna; a grid has values")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


@contextmanager
def parent(composed, arguments: list[str], constant: list[str], how: dict):
    """The parent run of the jobs that run inside; in the end it prints their table, and raises if any failed.

    `arguments` are the overrides of the sweep, `constant` those that are the same in all jobs, and
    `how` are the keys by which jobs are made of them. Yields the run, what its jobs have to know of
    the sweep, and a list for jobs of which nothing came back.
    """
    from brnn import tracking

    store = tracking.open_store(**OmegaConf.to_container(composed.tracking, resolve=True))
    fingerprint = identify(arguments, how)
    spool = Path(composed.checkpoints) / f"{fingerprint}.jsonl"
    if spool.exists():
        tracking.deliver(spool)
    earlier = store.earlier(fingerprint) if composed.resume else None
    if earlier and tracking.standing(earlier) == "running" and composed.resume != "force":
        raise SweepError(f"this sweep goes on already, as process {earlier.data.tags[tracking.OWNER]}")
    began, lost, name = time.time(), [], " ".join(arguments) or "sweep"
    launch = uuid.uuid4().hex
    tags = {"sweep": name, tracking.FINGERPRINT: fingerprint, tracking.LAUNCH: launch}
    with store.run(name, tags, None, spool, earlier) as run:
        sweep_job = identity.SweepJob(run.id, launch, tuple(constant), how)
        try:
            yield run, sweep_job, lost
            _forget_old_errors(store, sweep_job)
        finally:
            jobs = lost  # all that is known where the store is away
            try:
                jobs = _closed(store, sweep_job, began, lost)
            finally:
                terminal.sweep_table(jobs)
                bad = {job["name"]: job["error"] for job in jobs if job["status"] in ("failed", "killed")}
                if bad:
                    run.tag({tracking.FAILED: bad})
        if bad:
            raise SweepError(f"{len(bad)} of {len(jobs)} jobs failed: {', '.join(bad)}; the same command repeats them")


def identify(arguments: list[str], how: dict) -> str:
    """The fingerprint of a sweep: the same for the same overrides in any order, made to jobs in the same way."""
    return identity.hashed(["sweep", sorted(one for one in arguments if root(one) not in FREE), how])


def job(options: dict, run: Callable, sweep_job: identity.SweepJob) -> float | list[float]:
    """Runs one job of a sweep; an error is printed and recorded, and the objective is then NaN.

    `run(options, sweep_job, suffix, report)` gets the part of the job's name beyond the groups, and
    a function of an epoch and its metrics that returns whether to go on.
    """
    from brnn import tracking

    began, overrides = time.time(), list(HydraConfig.get().overrides.task)
    own = [override for override in overrides if override not in sweep_job.constant]
    suffix = "".join(f" {override}" for override in own if not _is_told(override))
    try:
        return run(options, sweep_job, suffix, _reporter(options, sweep_job))
    except tracking.GivenUpError as reason:
        terminal.note(f"{' '.join(own)}: {reason}")
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        terminal.error(f"{' '.join(own)}: {error}")
        try:
            _record(options, sweep_job, " ".join(own), error, began)
        except tracking.TrackingError:  # the launcher then tells the sweep
            raise error from None
    return float("nan")


def plan(overrides: list[list[str]], jobs: list[dict]) -> None:
    """Prints what each job, a configuration, would do: run, resume from a checkpoint, or be skipped."""
    from brnn import tracking

    keys = jobs[0]["tracking"]
    store = None if tracking.is_absent(keys["uri"]) else tracking.open_store(**keys)
    names = [" ".join(one for one in job if root(one) not in FREE) or "this" for job in overrides]
    rows = [{"name": name, **_prospect(one, store)} for name, one in zip(names, jobs, strict=True)]
    terminal.sweep_table(rows)
    if bad := [row["name"] for row in rows if row["status"] == "failed"]:
        raise SweepError(f"{len(bad)} of {len(rows)} jobs cannot run: {', '.join(bad)}")


def _prospect(options, store):
    from brnn import checkpoint, tracking

    try:
        config.check(options)
        _, digest = identity.data(json.dumps(options["dataset"]), tuple(options["plugins"]))
    except (ValueError, OSError) as error:
        return {"status": "failed", "error": str(error)}
    fingerprint = identity.fingerprint(options, digest)
    earlier = store.earlier(fingerprint) if store and options["resume"] else None
    if earlier and tracking.standing(earlier) in ("finished", "running"):
        return {"status": {"finished": "skip", "running": "running"}[tracking.standing(earlier)]}
    if options["resume"] and checkpoint.place(options["checkpoints"], identity.of_training(options, digest)).exists():
        return {"status": "attack", "epochs": 0}
    path = Path(options["checkpoints"]) / f"{fingerprint}.npz"
    if not (options["resume"] and path.exists()):
        return {"status": "run", "epochs": options["epochs"]}
    return {"status": "resume", "epochs": options["epochs"] - len(checkpoint.load(path)[1]["history"])}


def _reporter(options, sweep_job):
    if sweep_job.trial is None:
        return lambda epoch, metrics: True
    from brnn import search

    return search.reporter(sweep_job.how, sweep_job.trial, options["monitor"])


def root(override: str) -> str:
    """The group or the key of the root that an override is about."""
    return re.split("[=.@]", override.lstrip("+~"))[0]


def _is_told(override):
    key = override.partition("=")[0]
    return key.partition("@")[2] in TOLD or key in TOLD or key.startswith("tracking.")


def _record(options, sweep_job, name, error, began):
    """Leaves a failed run also of a job that failed before its run began."""
    from brnn import tracking

    store = tracking.open_store(**options["tracking"])
    children = store.children(sweep_job.parent)
    mine = [one for one in children if one.data.tags.get(tracking.OWNER) == identity.owner()]
    if any((one.info.end_time or 0) >= int(began * 1000) for one in mine):
        return
    fingerprint = identity.hashed(["failed", {key: v for key, v in options.items() if key not in identity.APART}])
    spool = Path(options["checkpoints"]) / f"{fingerprint}.jsonl"
    tags = {tracking.FINGERPRINT: fingerprint, tracking.RECORD: "true"}
    earlier = store.earlier(fingerprint)
    with suppress(type(error)), store.run(name, tags, sweep_job, spool, earlier):
        raise error


def _forget_old_errors(store, sweep_job):
    """Drops what `_record` left of jobs that now got as far as their run."""
    from brnn import tracking

    for one in store.children(sweep_job.parent):
        if tracking.RECORD in one.data.tags and not tracking.is_of_launch(one, sweep_job.launch):
            store.delete(one.info.run_id)


def _closed(store, sweep_job, began, lost):
    """The rows of the table, after runs whose processes are gone were marked."""
    from brnn import tracking

    for one in store.children(sweep_job.parent):
        if tracking.standing(one, sweep_job.launch) == "interrupted":
            store.kill(one.info.run_id)
    rows = [_row(one, began, sweep_job.launch) for one in store.children(sweep_job.parent)]
    return [row for row in rows if not (lost and row["status"] == "killed")] + lost


def _row(one, began, launch):
    """A job, for the table."""
    from brnn import tracking

    values, status = one.data.metrics, tracking.standing(one, launch)
    if status == "finished" and one.info.end_time < int(began * 1000):
        status = "skipped"
    if status == "killed" and tracking.GIVEN_UP in one.data.tags:
        status = "pruned"
    shown = {name: values[name] for name in SHOWN if name in values}
    return {"name": one.info.run_name, "status": status, "error": one.data.tags.get("error")} | shown
