"""The library: training, evaluating and tracking nets of your own, without a configuration.

Arguments that are keys of an option default to the values of its YAML file.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from brnn.attacks.arrays import plain
from brnn.config import groups, signatures
from brnn.config.check_keys import check_keys
from brnn.config.environment import tracking_keys
from brnn.config.ranges import Natural, Positive, Seed
from brnn.contracts import Loss, Regime
from brnn.data.dataset import Data
from brnn.data.load import load
from brnn.quantization.manager import QuantManager
from brnn.robustness.library import evaluate_model as evaluate
from brnn.training import loop, losses, regimes
from brnn.training.optimizers import with_own_rates
from brnn.training.program import Program

if TYPE_CHECKING:
    from brnn.tracking.run import Run

DEFAULT_RATE = 1e-3  # of Adam

__all__ = ["evaluate", "fit", "load_data", "track"]


def load_data(name: str, **keys: Any) -> Data:
    """Return a data set by the name of its option, as in `load_data("mnist", validation=0.1)`.

    Args:
        name: an option of the group `dataset`.
        keys: keys of the option; the others are as in its YAML file.

    Raises:
        ConfigError: there is no such option, or it does not take these keys.
        DataError: the data cannot be read.
    """
    option = groups.option("dataset", name)
    option = option.get("dataset", option) | keys
    module, function = groups.locate("dataset", option["name"], [])
    check_keys("dataset", groups.arguments(option), signatures.parameters(module, function))
    return load(json.dumps(option), ())[0]


def fit(
    manager: QuantManager,
    data: Data,
    epochs: int = 5,
    learning_rate: float | None = None,
    *,
    batch_size: int = 128,
    seed: int = 0,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: Loss | keras.losses.Loss = losses.cross_entropy,
    regime: Regime = regimes.standard,
    schedule: Callable[[np.ndarray, int], np.ndarray] | None = None,
    annealed: dict[str, Callable[[np.ndarray, int], np.ndarray]] | None = None,
    compiled: bool | Literal["auto"] = "auto",
) -> Iterator[dict[str, float]]:
    """Train the latent weights of a manager's model, and yield the metrics of each epoch.

    Args:
        manager: the model, and which of its variables are discretized.
        data: has pairs of arrays (x, y) `train`, `validation` and `test`; bytes are pixels, which
            the net sees divided by 255.
        epochs: passes over the training rows.
        learning_rate: at the first step; by default that of the optimizer, with its schedule.
        batch_size: rows of a step.
        seed: of the order of the rows and of stochastic quantizers.
        optimizer: by default Adam with a learning rate of 0.001.
        loss: one value per label, such as those of `brnn.losses`, or a loss object of Keras.
        regime: which images a step sees, such as those of `brnn.regimes`.
        schedule: a factor on the learning rate for each step, such as those of `brnn.schedules`.
        annealed: for each argument of an `annealed` estimator, its values at `steps` of `total`.
        compiled: whether XLA compiles the loop over the steps, else TensorFlow's graph mode runs
            it; `auto` for the faster of the two.

    Raises:
        ConfigError: a number is out of its range, or the model, the optimizer or the loss cannot
            be trained so.
        DataError: the arrays are not inputs and labels of the net.
        NonFiniteError: the loss or a weight is infinite or NaN.
    """
    numbers = plain({"epochs": epochs, "learning_rate": learning_rate, "seed": seed})
    check_keys("fit", numbers, {"epochs": Natural, "learning_rate": Positive | None, "seed": Seed})
    settable, own_rates = with_own_rates(optimizer or keras.optimizers.Adam(DEFAULT_RATE))
    program = Program(manager, settable, loss, regime, compiled)

    def by_step(steps: np.ndarray, total: int) -> dict[str, np.ndarray]:
        first = own_rates(steps, total) if learning_rate is None else learning_rate
        factors = np.ones(len(steps)) if schedule is None else schedule(steps, total)
        values = {f"annealed/{key}": at(steps, total) for key, at in (annealed or {}).items()}
        return {"train/learning_rate": first * factors, **values}

    return loop.fit(program, data, epochs=epochs, batch_size=batch_size, by_step=by_step, seed=seed)


@contextmanager
def track(name: str, *, experiment: str | None = None, uri: str | None = None) -> Iterator["Run"]:
    """Open a run in the tracking store; it ends as finished, killed or failed with the block.

    Args:
        name: of the run.
        experiment: of the run; by default MLFLOW_EXPERIMENT_NAME, or that of `conf/config.yaml`.
        uri: an MLflow tracking URI; by default MLFLOW_TRACKING_URI, or that of `conf/config.yaml`.

    Raises:
        TrackingError: the store cannot be opened or written.
    """
    from brnn.tracking.store import open_store  # imports MLflow, which training does not need

    keys = tracking_keys()
    given = {"experiment": experiment, "uri": uri}
    store = open_store(**keys | {key: value for key, value in given.items() if value is not None})
    with store.run(name, {}, None) as run:
        yield run
