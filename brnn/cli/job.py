"""One job: check its configuration, import what a run needs while its data load, and run it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from brnn.cli.compile_cache import keep_compiled
from brnn.config.check import check
from brnn.config.environment import check_keras
from brnn.config.objective import Outcome
from brnn.contracts import OnEpoch
from brnn.data.load import load_checked
from brnn.terminal import stderr
from brnn.tracking.sweep_job import SweepJob


def run_job(
    options: dict[str, Any],
    job: SweepJob | None,
    varied: Sequence[str],
    on_epoch: OnEpoch,
    command: str,
) -> Outcome:
    """Check a configuration and run it, as `brnn.runs.run.run` does.

    One thread imports TensorFlow and MLflow: two that share the interpreter take longer.

    Args:
        options: a composed configuration.
        job: the position of the run in its sweep, if it is part of one.
        varied: the overrides that distinguish the run in its sweep.
        on_epoch: called after each epoch; training ends early where it returns false.
        command: the command line that repeats the run.

    Returns:
        The objectives of the run.

    Raises:
        ConfigError: the configuration cannot run.
        DataError: the data cannot be read.
    """
    check_keras()
    check(options)
    keep_compiled()
    stderr.keep_stderr()
    imported: Future = Future()
    threading.Thread(target=_import_run, args=(imported,), daemon=True).start()
    if not options["plugins"]:  # they may import Keras too, which fails in two threads at a time
        load_checked(options)  # kept for the run; here an error needs no TensorFlow
    return imported.result()(options, job, varied, on_epoch, command)


def _import_run(imported: Future) -> None:
    """Import `run` in a thread that a process does not wait for if it fails elsewhere."""
    try:
        from brnn.cli.startup import run

        imported.set_result(run)
    except BaseException as error:
        imported.set_exception(error)
