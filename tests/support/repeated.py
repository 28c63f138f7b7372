"""Runs that are stopped, and repeated, in a folder with a store."""

import keras
import pytest

from brnn.runs.run import run
from support import processes, stores

NET = (
    "dataset=arrays",
    "precision=stochastic_ternary",
    "topology=mlp",
    "topology.width=16",
    "topology.depth=1",
    "topology.dropout=0.2",
    "batch_size=32",
    "keep=best",
    "compiled=false",
    "figures=[]",
)


class Repeated:
    """A folder with a store, in which a small net is trained."""

    def __init__(self, path, empty_store, data_path, options):
        self.path = path
        (path / "mlflow.db").write_bytes(empty_store.read_bytes())
        self.overrides = [*NET, f"dataset.path={data_path}", f"checkpoints={path}/checkpoints"]
        self.overrides += [f"tracking.uri=sqlite:///{path}/mlflow.db"]
        self.options = options
        self.store = stores.open_in(path)

    def begin(self, *overrides):
        """Start a run in another process."""
        return processes.begin(self.path, *self.overrides, *overrides)

    def run(self, *overrides, on_epoch=lambda epoch, metrics: True):
        """Run in this process, and return the objective."""
        return run(self.options(*self.overrides, *overrides), None, (), on_epoch).value

    def trained_epochs(self, *overrides):
        """Run in this process, and return the epochs that were trained."""
        epochs = []
        self.run(*overrides, on_epoch=lambda epoch, metrics: epochs.append(epoch) or True)
        return epochs

    def stop(self, *overrides, after, error=KeyboardInterrupt):
        """Run in this process until an epoch raises an error."""

        def on_epoch(epoch, metrics):
            if epoch == after:
                raise error
            return True

        with pytest.raises(error if isinstance(error, type) else type(error)):
            self.run(*overrides, on_epoch=on_epoch)

    def runs(self):
        """Return all runs, oldest first."""
        return stores.all_runs(self.store)

    def statuses(self):
        """Return the status of each run, oldest first."""
        return [run.info.status for run in self.runs()]

    def unfinished(self):
        """Return the files of runs that have not finished."""
        files = (self.path / "checkpoints").iterdir()
        return [file for file in files if file.name != "trained"]

    def histories(self, run):
        """Return the steps and values of each metric that a run logged."""
        return {key: stores.history(self.store, run.info.run_id, key) for key in run.data.metrics}

    def numbers(self, run):
        """Return every value that a run logged, by name and step, without times."""
        return {
            (key, step): value
            for key, history in self.histories(run).items()
            for step, value in history
            if not key.startswith("time/") and not key.endswith("_per_second")
        }

    def has_duplicates(self, run):
        """Return whether a metric was logged twice at a step."""
        histories = self.histories(run).values()
        return any(len(history) > len({step for step, _ in history}) for history in histories)

    def weights(self, run):
        """Return the bytes of the weights that a run logged."""
        path = "model/data/model.keras"
        file = self.store.client.download_artifacts(run.info.run_id, path)
        model = keras.models.load_model(file, compile=False, safe_mode=True)
        return [weights.tobytes() for weights in model.get_weights()]


def assert_same(repeated, reference):
    (run,), (expected,) = repeated.runs(), reference.runs()
    assert run.info.status == "FINISHED"
    assert repeated.numbers(run) == reference.numbers(expected)
    assert not repeated.has_duplicates(run)
    assert repeated.weights(run) == reference.weights(expected)
