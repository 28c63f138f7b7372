"""Hydra looks for plugins in packages called `hydra_plugins`; `brnn.__main__` puts this folder on the path.

Every Hydra command imports this file, so that what the plugins do lies elsewhere. The keys of each are in
`conf/hydra/sweeper` and `conf/hydra/launcher`.
"""

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

PLUGINS = {
    "sweeper": {"brnn": "GridSweeper", "optuna": "OptunaSweeper"},
    "launcher": {
        "processes": "ProcessesLauncher",
        "ray": "RayLauncher",
        "submitit": "SubmititLauncher",
    },
}


class GridSweeper(Sweeper):
    """Runs every combination of the values on the command line, under one parent run of the tracking store."""

    def __init__(self, **keys):
        self.keys = keys

    def setup(self, *, hydra_context, task_function, config):
        """Hydra's part: what is swept, and who launches it."""
        from hydra.core.plugins import Plugins

        self.context, self.task, self.config = hydra_context, task_function, config
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        """Runs the jobs."""
        from brnn.sweeps import sweepers

        return sweepers.grid(self, arguments, **self.keys)


class OptunaSweeper(GridSweeper):
    """Lets Optuna choose the values, trial by trial."""

    def sweep(self, arguments):
        """Runs the trials."""
        from brnn.sweeps import sweepers

        return sweepers.optuna(self, arguments, **self.keys)


class RayLauncher(Launcher):
    """Runs jobs on a Ray cluster."""

    name = "ray"

    def __init__(self, **keys):
        self.keys = keys

    def setup(self, *, hydra_context, task_function, config):
        """Hydra's part: what a job needs."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides, initial_job_idx):
        """Runs the jobs and returns what came of each."""
        from brnn.sweeps import launchers

        return getattr(launchers, self.name)(
            launchers.jobs(self, job_overrides, initial_job_idx), **self.keys
        )


class SubmititLauncher(RayLauncher):
    """Runs jobs under Slurm."""

    name = "submitit"


class ProcessesLauncher(RayLauncher):
    """Runs jobs in several processes of this machine."""

    name = "processes"

    def warm(self, jobs):
        """What can be done before the sweep has a parent run."""
        from brnn.sweeps import launchers

        launchers.warm(jobs, **self.keys)


for group, options in PLUGINS.items():
    for name, plugin in options.items():
        node = {"_target_": f"hydra_plugins.brnn_plugins.{plugin}", "_convert_": "all"}
        ConfigStore.instance().store(
            group=f"hydra/{group}", name=f"{name}_plugin", node=node, provider="brnn"
        )
