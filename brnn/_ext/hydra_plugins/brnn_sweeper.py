"""Hydra finds plugins by looking into packages called `hydra_plugins`; `brnn.__main__` puts this one on the path."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore


class BrnnSweeper(BasicSweeper):
    """Hydra's grid, under one parent run of the tracking store, with a closing table of the jobs."""

    def sweep(self, arguments):
        """Runs every combination of the arguments; a job that fails does not stop the others."""
        from brnn import sweep

        with sweep.parent(self.config):
            return super().sweep(arguments)


class BrnnSweeperConf(BasicSweeperConf):
    """The keys of Hydra's own sweeper."""

    _target_: str = "hydra_plugins.brnn_sweeper.BrnnSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="brnn", node=BrnnSweeperConf(_target_=BrnnSweeperConf._target_), provider="brnn"
)
