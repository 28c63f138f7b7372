"""Hydra looks for plugins in packages called `hydra_plugins`; `brnn.__main__` puts this folder on the path."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser


class BrnnSweeper(BasicSweeper):
    """Hydra's grid, under one parent run of the tracking store, with a closing table of the jobs."""

    def sweep(self, arguments):
        """Runs every combination of the arguments; a job that fails does not stop the others."""
        from brnn import sweep

        arguments = [*self._parse_config(), *arguments]
        overrides = OverridesParser.create(self.hydra_context.config_loader).parse_overrides(arguments)
        (jobs,) = self.split_arguments(overrides, None)
        self.validate_batch_is_legal(jobs)
        constant = [override.input_line for override in overrides if not override.is_sweep_override()]
        with sweep.parent(self.config, arguments, constant):
            return self.launcher.launch(jobs, initial_job_idx=0)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="brnn",
    node=BasicSweeperConf(_target_="hydra_plugins.brnn_sweeper.BrnnSweeper"),
    provider="brnn",
)
