"""Runs of small nets on the embedded digits, as the store has them."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from brnn.tracking.store import open_store

EPOCHS, TEST = 2, 1000
NET = (
    *("precision=stochastic_ternary", "estimator=ste", "attack.checks=false", "seed=3"),
    *(
        "topology=mlp",
        "topology.width=24",
        "topology.depth=1",
        "topology.dropout=0.1",
        "topology.real_first=true",
    ),
)
QUICK = ("epochs=1", "attack=none", "figures=[]")
BY_EPOCH = {
    *("train/loss", "train/accuracy", "train/images_per_second"),
    *("validation/accuracy", "test/loss", "test/accuracy", "sparsity/all", "flip_rate/all"),
}
ATTACKS = ("attack", "attack_identity", "attack_noise")
OF_ATTACKS = ("clean_accuracy", "robust_accuracy", "success_rate", "broke", "linf", "l2")
ONCE = {
    "size/bits_per_weight",
    "best/epoch",
    *(f"{attack}/{key}" for attack in ATTACKS for key in OF_ATTACKS),
}
COMMAND = "brnn optimizer.learning_rate=0.1 tracking.uri=sqlite:///a/mlflow.db"
UNREPEATABLE = ("time/", "train/images_per_second")  # measured times


@dataclass
class Tracked:
    """A run as the store has it, and the objective that it returned."""

    objective: float
    client: object
    id: str
    options: dict

    @property
    def data(self):
        return self.client.get_run(self.id).data

    @property
    def status(self) -> str:
        return self.client.get_run(self.id).info.status

    def history(self, key) -> list[tuple[int, float]]:
        values = self.client.get_metric_history(self.id, key)
        return sorted((value.step, value.value) for value in values)

    def artifact(self, path) -> Path:
        return Path(self.client.download_artifacts(self.id, path))

    def model(self) -> keras.Model:
        return keras.models.load_model(self.artifact("model/data/model.keras"))

    def bits(self) -> dict:
        """All weights of the logged model and all metrics of all epochs, to the bit; no times."""
        keys = [key for key in self.data.metrics if not key.startswith(UNREPEATABLE)]
        assert len(keys) > len(ONCE)
        weights = {weight.path: weight.numpy().tobytes() for weight in self.model().weights}
        return weights | {key: self.history(key) for key in keys}


def placed(folder, store="mlflow.db"):
    """Overrides of the data, and of what a run writes."""
    data = ("dataset=arrays", f"dataset.path={folder}/digits.npz", f"epochs={EPOCHS}")
    return (
        *data,
        "resume=false",
        f"checkpoints={folder}/checkpoints",
        f"tracking.uri=sqlite:///{folder}/{store}",
    )


def runs(folder, store="mlflow.db"):
    """What is in a store, the newest first."""
    opened = open_store(uri=f"sqlite:///{folder}/{store}", experiment="brnn")
    return [
        (opened.client, run.info.run_id)
        for run in opened.client.search_runs([opened.experiment_id])
    ]


def images(folder):
    with np.load(folder / "digits.npz") as digits:
        return (digits["x_test"] / 255).astype("float32"), digits["y_test"]
