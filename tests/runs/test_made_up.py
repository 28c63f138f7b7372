"""Made-up data and configurations: a right run, or one line before training.

`pytest tests/runs/test_made_up.py --made-up 1000` tries more of them.
"""

import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from support import made_up

from brnn.config.check import check
from brnn.config.check_data import check_data
from brnn.data.load import load
from brnn.errors import BrnnError, DataWarning
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.runs.run import run
from brnn.tracking.store import open_store
from brnn.training import build

CHUNK = 25  # cases of a test
BASES = 20  # composed configurations
LOGGED = 5  # of so many cases one is a whole run, attack and artifacts included
FIXED = ("dataset=arrays", "epochs=1", "compiled=false", "distribution=none", "figures=[svg]")


def pytest_generate_tests(metafunc):
    if "first" in metafunc.fixturenames:
        count = metafunc.config.getoption("--made-up")
        metafunc.parametrize("first", range(0, count, CHUNK))


@pytest.fixture(scope="module")
def bases(composed):
    rng = np.random.default_rng(0)
    return [composed(*FIXED, *made_up.overrides(rng)) for _ in range(BASES)]


@pytest.mark.slow
def test_made_up_cases_give_a_right_run_or_one_line(first, bases, folder_with_store):
    folder = folder_with_store("made_up")
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        for number in range(first, first + CHUNK):
            _try(number, bases, folder)


def _try(number: int, bases: list[dict], folder: Path) -> None:
    rng = np.random.default_rng([1, number])
    data, path = made_up.data(rng), folder / f"{number}.npz"
    np.savez(path, **data.arrays)
    options = made_up.options(rng, bases[rng.integers(BASES)], path)
    options |= {"checkpoints": str(folder), "tracking": _tracking(folder)}
    at = f"case {number}: {data.what}"
    trained: list[int] = []
    try:
        check(options)
        attempt = _logged if number % LOGGED == 0 else _unlogged
        predicted, accuracy = attempt(options, trained)
    except BrnnError as error:
        if trained or "\n" in str(error):
            raise AssertionError(f"{at}: refused late, or in several lines") from error
        return
    except Exception as error:
        raise AssertionError(f"{at}: not an error of this package") from error
    assert data.tested is not None, f"{at}: bad data were accepted"
    assert accuracy == pytest.approx(np.mean(predicted == data.tested), abs=1e-6), at


def _tracking(folder: Path) -> dict[str, str]:
    return {"uri": f"sqlite:///{folder}/mlflow.db", "experiment": "brnn"}


def _unlogged(options: dict, trained: list[int]) -> tuple[np.ndarray, float]:
    """Train without a store; return what the exported net predicts, and the accuracy."""
    data, _ = load(json.dumps(options["dataset"]), ())
    check_data(options, data)
    program = build.program(options, task_of(data))
    (metrics,) = build.epochs(program, options, data)
    trained.append(1)
    net = models.plain_model(options, task_of(data), program.manager.weights())
    return _classes(net, data.test[0]), metrics["test/accuracy"]


def _logged(options: dict, trained: list[int]) -> tuple[np.ndarray, float]:
    """Run with a store; return what the logged net predicts, and the logged accuracy."""

    def on_epoch(epoch, metrics):
        trained.append(epoch)
        return True

    run(options, None, (), on_epoch)
    store = open_store(**options["tracking"])
    (logged,) = store.client.search_runs([store.experiment_id], max_results=1)
    artifact = store.client.download_artifacts(logged.info.run_id, "model/data/model.keras")
    data, _ = load(json.dumps(options["dataset"]), ())
    net = keras.models.load_model(artifact)
    return _classes(net, data.test[0]), logged.data.metrics["test/accuracy"]


def _classes(net: keras.Model, x: np.ndarray) -> np.ndarray:
    pixels = x * np.float32(1 / 255) if x.dtype == np.uint8 else x
    return np.asarray(net(pixels)).argmax(axis=-1)
