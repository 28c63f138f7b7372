"""Nets of a configuration, for studies that measure them without a run."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import brnn.cli.train  # noqa: F401  puts the sweeper on Hydra's path
from brnn import paths
from brnn.config.check import check
from brnn.data.dataset import Data
from brnn.nets.task import task_of
from brnn.training import build
from brnn.training.program import Program


def configuration(overrides: list[str]) -> dict:
    """Return the checked configuration that the command line composes from the same overrides."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        options = OmegaConf.to_container(compose("config", overrides), resolve=True)
    check(options)
    return options


def trained_program(options: dict, data: Data) -> Program:
    """Return the program of a configuration after all its epochs."""
    program = build.program(options, task_of(data))
    for _ in build.epochs(program, options, data):
        pass
    return program
