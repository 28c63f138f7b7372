"""Hydra's plugins: the sweepers and launchers of this package.

Hydra searches packages named `hydra_plugins`; `brnn.cli.train` adds this folder to the path. Every
command of Hydra imports this file, so it imports only Hydra; `brnn.sweeps` does the work. The keys
of each plugin are in `conf/hydra/sweeper` and `conf/hydra/launcher`.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

PLUGINS = {
    "sweeper": {"brnn": "GridSweeper", "optuna": "OptunaSweeper"},
    "launcher": {
        "processes": "ProcessesLauncher",
        "ray": "RayLauncher",
        "submitit": "SubmititLauncher",
    },
}


class _OurSweeper(Sweeper):
    """A sweeper that calls the function `name` of `brnn.sweeps.sweepers`."""

    name: str

    def __init__(self, **keys: Any):
        self.keys = keys

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra provides, and set up the launcher."""
        from hydra.core.plugins import Plugins

        self.context, self.task, self.config = hydra_context, task_function, config
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs."""
        from brnn.sweeps import sweepers

        return getattr(sweepers, self.name)(self, arguments, **self.keys)


class GridSweeper(_OurSweeper):
    """Runs every combination of values."""

    name = "grid"


class OptunaSweeper(_OurSweeper):
    """Runs trials with values that Optuna chooses."""

    name = "optuna"


class _OurLauncher(Launcher):
    """A launcher that calls the function `name` of `brnn.sweeps.launchers`."""

    name: str

    def __init__(self, **keys: Any):
        self.keys = keys

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra provides."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs and return their results."""
        from brnn.sweeps import jobs, launchers

        launch = getattr(launchers, self.name)
        return launch(jobs.create_jobs(self, job_overrides, initial_job_idx), **self.keys)


class ProcessesLauncher(_OurLauncher):
    """Runs jobs in several processes of this machine."""

    name = "processes"

    def warm(self, jobs: int) -> None:
        """Prepare to launch jobs before the run of the sweep is created."""
        from brnn.sweeps import launchers

        launchers.warm(jobs, **self.keys)


class RayLauncher(_OurLauncher):
    """Runs jobs on a Ray cluster."""

    name = "ray"


class SubmititLauncher(_OurLauncher):
    """Runs jobs under Slurm."""

    name = "submitit"


for group, options in PLUGINS.items():
    for name, plugin in options.items():
        node = {"_target_": f"hydra_plugins.brnn_plugins.{plugin}", "_convert_": "all"}
        ConfigStore.instance().store(
            group=f"hydra/{group}", name=f"{name}_plugin", node=node, provider="brnn"
        )
