"""sweeps.sweep"""

import os
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from brnn.config.fingerprint import IRRELEVANT_KEYS, hash_json
from brnn.errors import TRACEBACK, SweepError
from brnn.sweeps.overrides import FREE, is_told, root
from brnn.terminal import lines, tables
from brnn.tracking.process import owner
from brnn.tracking.sweep_job import SweepJob

SHOWN = (
    "test/accuracy",
    "sparsity/all",
    "attack/robust_accuracy",
    "attack/success_rate",
    "time/seconds",
)


@dataclass(frozen=True)
class Task:
    """The task function of a launch: it passes to `function` what the job has to know of its sweep.

    `sweep_job` is what the jobs have in common, `trials` are the numbers of their trials, if they
    have any, by the numbers of the jobs.
    """

    function: Callable
    sweep_job: SweepJob
    trials: dict[int, int]

    def __call__(self, composed) -> float | list[float]:
        """Runs the job of which Hydra has the number."""
        number = HydraConfig.get().job.num
        job = replace(self.sweep_job, number=number, trial=self.trials.get(number))
        return self.function(composed, job)


@contextmanager
def parent(composed, arguments: list[str], constant: list[str], how: dict):
    """The parent run of the jobs that run inside; in the end it prints their table, and raises if any failed.

    `arguments` are the overrides of the sweep, `constant` those that are the same in all jobs, and
    `how` are the keys by which jobs are made of them. Yields the run, what its jobs have to know of
    the sweep, and a list for jobs of which nothing came back.
    """
    from brnn.tracking import records, status, tag_names
    from brnn.tracking.store import open_store

    store = open_store(**OmegaConf.to_container(composed.tracking, resolve=True))
    fingerprint = identify(arguments, how)
    spool = Path(composed.checkpoints) / f"{fingerprint}.jsonl"
    if spool.exists():
        records.deliver(spool)
    earlier = store.earlier(fingerprint) if composed.resume else None
    if earlier and status.status(earlier) == "running" and composed.resume != "force":
        raise SweepError(
            f"this sweep goes on already, as process {earlier.data.tags[tag_names.OWNER]}"
        )
    began, lost, name = time.time(), [], " ".join(arguments) or "sweep"
    launch = uuid.uuid4().hex
    tags = {"sweep": name, tag_names.FINGERPRINT: fingerprint, tag_names.LAUNCH: launch}
    with store.run(name, tags, None, spool, earlier) as run:
        sweep_job = SweepJob(run.id, launch, tuple(constant), how)
        try:
            yield run, sweep_job, lost
            _forget_old_errors(store, sweep_job)
        finally:
            jobs = lost  # all that is known where the store is away
            try:
                jobs = _closed(store, sweep_job, began, lost)
            finally:
                tables.sweep_table(jobs)
                bad = {
                    job["name"]: job["error"]
                    for job in jobs
                    if job["status"] in ("failed", "killed")
                }
                if bad:
                    run.tag({tag_names.FAILED: bad})
        if bad:
            raise SweepError(
                f"{len(bad)} of {len(jobs)} jobs failed: {', '.join(bad)}; the same command repeats them"
            )


def identify(arguments: list[str], how: dict) -> str:
    """The fingerprint of a sweep: the same for the same overrides in any order, made to jobs in the same way."""
    return hash_json(["sweep", sorted(one for one in arguments if root(one) not in FREE), how])


def job(options: dict, run: Callable, sweep_job: SweepJob) -> float | list[float]:
    """Runs one job of a sweep; an error is printed and recorded, and the objective is then NaN.

    `run(options, sweep_job, suffix, report)` gets the part of the job's name beyond the groups, and
    a function of an epoch and its metrics that returns whether to go on.
    """
    from brnn.errors import PrunedError, TrackingError

    began, overrides = time.time(), list(HydraConfig.get().overrides.task)
    own = [override for override in overrides if override not in sweep_job.constant]
    suffix = "".join(f" {override}" for override in own if not is_told(override))
    try:
        return run(options, sweep_job, suffix, _reporter(options, sweep_job))
    except PrunedError as reason:
        lines.note(f"{' '.join(own)}: {reason}")
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        lines.error(f"{' '.join(own)}: {error}")
        try:
            _record(options, sweep_job, " ".join(own), error, began)
        except TrackingError:  # the launcher then tells the sweep
            raise error from None
    return float("nan")


def _reporter(options, sweep_job):
    if sweep_job.trial is None:
        return lambda epoch, metrics: True
    from brnn.sweeps import search

    return search.reporter(sweep_job.how, sweep_job.trial, options["monitor"])


def _record(options, sweep_job, name, error, began):
    """Leaves a failed run also of a job that failed before its run began."""
    from brnn.tracking import tag_names
    from brnn.tracking.store import open_store

    store = open_store(**options["tracking"])
    children = store.children(sweep_job.parent)
    mine = [one for one in children if one.data.tags.get(tag_names.OWNER) == owner()]
    if any((one.info.end_time or 0) >= int(began * 1000) for one in mine):
        return
    fingerprint = hash_json(
        ["failed", {key: v for key, v in options.items() if key not in IRRELEVANT_KEYS}]
    )
    spool = Path(options["checkpoints"]) / f"{fingerprint}.jsonl"
    tags = {tag_names.FINGERPRINT: fingerprint, tag_names.RECORD: "true"}
    earlier = store.earlier(fingerprint)
    with suppress(type(error)), store.run(name, tags, sweep_job, spool, earlier):
        raise error


def _forget_old_errors(store, sweep_job):
    """Drops what `_record` left of jobs that now got as far as their run."""
    from brnn.tracking import status, tag_names

    for one in store.children(sweep_job.parent):
        if tag_names.RECORD in one.data.tags and not status.is_of_launch(one, sweep_job.launch):
            store.delete(one.info.run_id)


def _closed(store, sweep_job, began, lost):
    """The rows of the table, after runs whose processes are gone were marked."""
    from brnn.tracking import status

    for one in store.children(sweep_job.parent):
        if status.status(one, sweep_job.launch) == "interrupted":
            store.kill(one.info.run_id)
    rows = [_row(one, began, sweep_job.launch) for one in store.children(sweep_job.parent)]
    return [row for row in rows if not (lost and row["status"] == "killed")] + lost


def _row(one, began, launch):
    """A job, for the table."""
    from brnn.tracking import status, tag_names

    values, state = one.data.metrics, status.status(one, launch)
    if state == "finished" and one.info.end_time < int(began * 1000):
        state = "skipped"
    if state == "killed" and tag_names.GIVEN_UP in one.data.tags:
        state = "pruned"
    shown = {name: values[name] for name in SHOWN if name in values}
    return {
        "name": one.info.run_name,
        "status": state,
        "error": one.data.tags.get("error"),
        "run": one.info.run_id,
    } | shown
