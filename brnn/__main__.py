"""The command line: Hydra composes a configuration, which is checked before TensorFlow is imported."""

from brnn import shutdown  # first, so that its atexit handler runs last

# isort: split
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises, and `main` says it in one line
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(str(Path(__file__).resolve().parent / "_ext"))

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from brnn import config, files, identity, sweep, terminal
from brnn.identity import SweepJob

KEPT = 100  # compiled programs
ROOM = 1 << 28  # bytes that must be free to keep any: XLA fails where it cannot write
OPEN = ("optimizer.", "hydra.sweeper.sampler.", "hydra.sweeper.pruner.")  # keys that are arguments of a chosen class


def main() -> None:
    """Runs the command line; errors are one line, with a traceback where BRNN_TRACEBACK is set."""
    sys.argv[1:] = sorted(sys.argv[1:], key=_is_override)
    terminal.plain_warnings()
    signal.signal(signal.SIGTERM, _stop)
    with shutdown.without_teardown(), _failing_in_one_line():
        flags = get_args_parser()
        flags.error = _refuse
        flags.parse_args()
        _hydra()


def keep_compiled() -> None:
    """Lets XLA keep the last 100 things that it compiled in the user's cache, for later processes.

    They are for the same processor, TensorFlow and flags. Before XLA compiles anything; TF_XLA_FLAGS goes before.
    """
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else platform.processor()
    features = next((line for line in information.splitlines() if line.startswith(("flags", "Features"))), information)
    flags = [os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES")]
    key = identity.hashed([importlib.metadata.version("tensorflow"), features, flags])
    folder = files.cache() / f"xla-{key}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process may be at the same
            for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-KEPT]:
                old.unlink()
        if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM:
            os.environ.setdefault("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={folder}")


def _refuse(message):
    raise config.ConfigError(f"{message}; --help lists what there is")


def _stop(number, _):
    raise KeyboardInterrupt(number)


@hydra.main(version_base="1.3", config_path=str(config.folder()), config_name="config")
def _hydra(composed: DictConfig, job: SweepJob | None = None) -> float | list[float]:
    """Runs a configuration, as a job of a sweep or alone, as also the jobs of Hydra's sweepers."""
    if job is not None:
        return sweep.job(OmegaConf.to_container(composed, resolve=True), _job, job)
    single = HydraConfig.get().mode == RunMode.RUN  # else an error ends this job alone
    with _failing_in_one_line() if single else nullcontext():  # Hydra would add lines of its own
        options = OmegaConf.to_container(composed, resolve=True)
        if options["dry_run"]:
            return sweep.plan([list(HydraConfig.get().overrides.task)], [options])
        return _job(options, None, "", lambda epoch, metrics: True)


def _job(options: dict, job: SweepJob | None, suffix: str, report: Callable) -> float | list[float]:
    """Checks a configuration and runs it; TensorFlow and MLflow are imported as the data load.

    One thread imports them both: two that share the interpreter take longer.
    """
    config.check(options)
    keep_compiled()
    terminal.keep_stderr()
    imported = Future()
    threading.Thread(target=_import_run, args=(imported,), daemon=True).start()
    if options["plugins"]:  # which may import Keras as well: it breaks where two threads are at it
        imported.exception()  # waits
    identity.data(json.dumps(options["dataset"]), tuple(options["plugins"]))  # kept; what is wrong with it shows early
    own = {key: options[key] for key in config.parameters("brnn.run", "run")}
    return imported.result().run(options, job, suffix, report, **own)


def _import_run(imported):
    """Imports what a run needs, in a thread that a process does not wait for when it fails elsewhere."""
    try:
        from brnn.imports import run

        imported.set_result(run)
    except BaseException as error:
        imported.set_exception(error)


def _is_override(argument: str) -> bool:
    """Whether a word of the command line is an override: Hydra's parser wants all flags on one side of them."""
    return argument.startswith("~") or ("=" in argument and not argument.startswith("-"))


def _told(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, MissingConfigException) and error.options:
        option = error.missing_cfg_file.rpartition("/")[2]
        return f"{error.missing_cfg_file.rpartition('/')[0]} must be one of {', '.join(error.options)}, got {option}"
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        options = ", ".join(sorted(path.stem for path in (config.folder() / key).glob("*.yaml")))
        if options:
            return f"{key} must be one of {options}, got {value}"
        return f"{error.override} cannot be read; put its value in quotes, as in \"{key}='a (b)'\""
    cause = error.__cause__
    if isinstance(error, ConfigCompositionException) and isinstance(cause, OmegaConfBaseException):
        keys = ", ".join(str(key) for key in cause.parent_node or () if key != "hydra")
        others = (
            f"; other arguments of its class need a plus: +{cause.full_key}=…"
            if cause.full_key.startswith(OPEN)
            else ""
        )
        return f"{cause.full_key} is not a key here; valid are: {keys or 'none'}{others}"
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _failing_in_one_line():
    try:
        yield
    except KeyboardInterrupt as stopped:
        terminal.error("stopped; the same command goes on after the last finished epoch")
        sys.exit(128 + (stopped.args or (signal.SIGINT,))[0])
    except Exception as error:
        if os.environ.get(sweep.TRACEBACK):
            raise
        terminal.error(_told(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
