"""One job: checked, its data loaded while its imports go on, and run."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future

from brnn.cli.compile_cache import keep_compiled
from brnn.config.check import check
from brnn.data.load import load
from brnn.terminal import stderr
from brnn.tracking.sweep_job import SweepJob


def run_job(
    options: dict, job: SweepJob | None, suffix: str, report: Callable
) -> float | list[float]:
    """Checks a configuration and runs it; TensorFlow and MLflow are imported as the data load.

    One thread imports them both: two that share the interpreter take longer.
    """
    check(options)
    keep_compiled()
    stderr.keep_stderr()
    imported = Future()
    threading.Thread(target=_import_run, args=(imported,), daemon=True).start()
    if options["plugins"]:  # which may import Keras as well: it breaks where two threads are at it
        imported.exception()  # waits
    load(
        json.dumps(options["dataset"]), tuple(options["plugins"])
    )  # kept; what is wrong with it shows early
    return imported.result()(options, job, suffix, report)


def _import_run(imported):
    """Imports what a run needs, in a thread that a process does not wait for when it fails elsewhere."""
    try:
        from brnn.cli.startup import run

        imported.set_result(run)
    except BaseException as error:
        imported.set_exception(error)
