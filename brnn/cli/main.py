"""The command line: Hydra composes a configuration, which is checked and run."""

from brnn.cli import leave  # first, so that its atexit handler runs last

# isort: split
import os
import signal
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises, and `main` prints one line
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(str(Path(__file__).resolve().parents[1] / "_ext"))

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from brnn import paths
from brnn.cli import sample, sync
from brnn.cli.job import run_job
from brnn.cli.messages import is_override, told
from brnn.errors import TRACEBACK, ConfigError
from brnn.sweeps import plan, sweep
from brnn.terminal import lines, stderr
from brnn.tracking.sweep_job import SweepJob

COMMANDS = {"sample": sample.main, "sync": sync.main}  # others than training


def main() -> None:
    """Runs the command line; errors are one line, with a traceback where BRNN_TRACEBACK is set."""
    stderr.plain_warnings()
    signal.signal(signal.SIGTERM, _stop)
    with leave.without_teardown(), _failing_in_one_line():
        if sys.argv[1:2] and sys.argv[1] in COMMANDS:
            COMMANDS[sys.argv[1]](sys.argv[2:])
            return
        sys.argv[1:] = sorted(sys.argv[1:], key=is_override)
        flags = get_args_parser()
        flags.error = _refuse
        flags.parse_args()
        _hydra()


def _refuse(message):
    raise ConfigError(f"{message}; --help lists what there is")


def _stop(number, _):
    raise KeyboardInterrupt(number)


@hydra.main(version_base="1.3", config_path=str(paths.conf()), config_name="config")
def _hydra(composed: DictConfig, job: SweepJob | None = None) -> float | list[float]:
    """Runs a configuration, as a job of a sweep or alone, as also the jobs of Hydra's sweepers."""
    if job is not None:
        return sweep.job(OmegaConf.to_container(composed, resolve=True), run_job, job)
    single = HydraConfig.get().mode == RunMode.RUN  # else an error ends this job alone
    with _failing_in_one_line() if single else nullcontext():  # Hydra would add lines of its own
        options = OmegaConf.to_container(composed, resolve=True)
        if options["dry_run"]:
            return plan.plan([list(HydraConfig.get().overrides.task)], [options])
        return run_job(options, None, "", lambda epoch, metrics: True)


@contextmanager
def _failing_in_one_line():
    try:
        yield
    except KeyboardInterrupt as stopped:
        lines.error("stopped; the same command goes on after the last finished epoch")
        sys.exit(128 + (stopped.args or (signal.SIGINT,))[0])
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        lines.error(told(error))
        sys.exit(1)
