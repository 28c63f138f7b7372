"""`brnn key=value …`: train and attack one net, or with --multirun a sweep of them."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then raises, and `failures` prints one line
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.append(str(Path(__file__).resolve().parents[1] / "_ext"))  # the sweepers and launchers

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from brnn import paths
from brnn.cli import failures, search_path, secrets, swept_keys
from brnn.cli.arguments import flag_words, is_override, parse
from brnn.cli.commands import COMMANDS
from brnn.config import environment
from brnn.config.locations import expand_home
from brnn.config.model_file import with_architecture
from brnn.config.objective import Outcome
from brnn.errors import ConfigError, did_you_mean
from brnn.terminal import lines
from brnn.tracking.sweep_job import SweepJob

STOPPED = "stopped; the same command continues after the last finished epoch"


def main(arguments: list[str]) -> None:
    """Train by the overrides and flags of a command line, or handle a flag such as --help."""
    with failures.in_one_line(STOPPED):
        flags = parse(get_args_parser(), arguments)
        _check_words(flags.overrides)
        if flags.help:
            from brnn.cli import help_page

            print(help_page.text())
        elif flags.shell_completion and any(w.startswith("query=") for w in flags.overrides):
            from brnn.cli import completion

            completion.query(_hydra)
        else:
            environment.check_keras()
            environment.drop_empty_variables()
            for line in environment.unused_variables():
                lines.warning(line)
            search_path.check(flags.config_dir, flags.overrides)
            words = secrets.moved(swept_keys.forced(flags.overrides, flags.multirun))
            sys.argv[1:] = [*words, *flag_words(flags)]  # Hydra's parser wants one side for each
            _hydra()


def task(composed: DictConfig, job: SweepJob | None = None) -> Outcome | float | list[float] | None:
    """Run a composed configuration, alone or as a job of a sweep, also one of Hydra's own sweepers.

    Returns:
        Of a job of a sweep its outcome, else the objective, as Hydra's own sweepers take it; none
        where a job failed, or `dry_run` only prints what would run.
    """
    if job is not None:
        from brnn.cli.job import run_job
        from brnn.sweeps.child import run_child

        return run_child(_plain(composed), run_job, job, _command())
    single = HydraConfig.get().mode == RunMode.RUN  # else an error ends this job alone
    with failures.in_one_line(STOPPED) if single else nullcontext():  # Hydra would add lines
        options = _plain(composed)
        if options["dry_run"]:
            from brnn.sweeps.dry_run import dry_run

            dry_run([list(HydraConfig.get().overrides.task)], [options])
            return None
        if not single:
            from brnn.sweeps.jobs import check_folder

            check_folder(HydraConfig.get().job.chdir)
        from brnn.cli.job import run_job

        return run_job(options, None, (), lambda epoch, metrics: True, _command()).value


def composed(overrides: list[str]) -> dict[str, Any]:
    """Return the configuration of some overrides, as a command line would compose it."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return _with_home(compose("config", overrides))


def _command() -> str:
    """Return the command line that repeats this run, without the other jobs of its sweep."""
    from brnn.sweeps.overrides import command_line

    hydra_config = HydraConfig.get()
    return command_line(hydra_config, hydra_config.overrides.task)


def _with_home(composed: DictConfig) -> dict[str, Any]:
    return expand_home(OmegaConf.to_container(composed, resolve=True))  # type: ignore[arg-type]


def _plain(composed: DictConfig) -> dict[str, Any]:
    return with_architecture(_with_home(composed))


_hydra = hydra.main(version_base="1.3", config_path=str(paths.conf()), config_name="config")(task)


def _check_words(words: list[str]) -> None:
    """Check that all words except the flags are overrides.

    Raises:
        ConfigError: one is not.
    """
    for word in words:
        if word in COMMANDS:
            raise ConfigError(f"{word} is a command and must be the first word")
        if not is_override(word):
            suggestion = did_you_mean(word, COMMANDS)
            raise ConfigError(
                f"{word} is neither a command ({', '.join(COMMANDS)}) nor key=value{suggestion}"
            )
