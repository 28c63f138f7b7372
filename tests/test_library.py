"""The public names: imports on first use; training, evaluation, tracking without configuration."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import mlflow
import numpy as np
import pytest

import brnn
from brnn import (
    BrnnError,
    ConfigError,
    QuantManager,
    Rule,
    evaluate,
    fit,
    load_data,
    losses,
    quantizers,
    track,
)

BINARY = Rule("kernel", partial(quantizers.binary, scale=1.0), bound=1.0)


@pytest.fixture
def manager():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
    return QuantManager(keras.Sequential(layers), [BINARY])


@pytest.fixture(scope="module")
def few(digits):
    splits = ("train", "validation", "test")
    return SimpleNamespace(**{s: tuple(a[:1000] for a in getattr(digits, s)) for s in splits})


@pytest.mark.parametrize("name", brnn.__all__)
def test_a_public_name_is_what_its_module_has(name):
    module = importlib.import_module(brnn.NAMES[name])
    assert getattr(brnn, name) is getattr(module, name, module)
    assert name in dir(brnn)


def test_type_checkers_see_the_same_public_names():
    (block,) = [
        node
        for node in ast.parse(Path(brnn.__file__).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    typed = {}
    for statement in block.body:
        (alias,) = statement.names
        assert alias.asname == alias.name  # so it is exported, as PEP 484 states
        typed[alias.name] = (statement.module, f"{statement.module}.{alias.name}")
    assert typed.keys() == brnn.NAMES.keys()
    assert not [name for name, module in brnn.NAMES.items() if module not in typed[name]]


WITHOUT_TRACKING = """
import sys
from brnn import QuantManager, fit, load_data
print("mlflow" in sys.modules, "keras" in sys.modules)
"""


def test_training_and_data_need_no_mlflow():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRACKING], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("False True", 0), done.stderr


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'brnn' has no attribute 'nothing'"):
        brnn.nothing  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert brnn.__version__ == importlib.metadata.version("brnn")


HEAVY = "import sys, brnn; print({'tensorflow', 'keras', 'mlflow', 'numpy'} & set(sys.modules))"


def test_the_package_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_training_has_defaults_and_leaves_levels(manager, few):
    history = list(fit(manager, few, epochs=2))
    assert len(history) == 2
    assert history[1]["train/loss"] < history[0]["train/loss"]
    assert history[-1]["train/learning_rate"] == pytest.approx(1e-3)
    assert set(manager.discretized().get_weights()[0].ravel()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("epochs", -1, "a whole number"),
        ("epochs", 1.5, "a whole number"),
        ("learning_rate", -1e-3, "a finite number above 0"),
        ("learning_rate", float("nan"), "a finite number above 0"),
        ("seed", -1, "a whole number from 0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_before_training(manager, few, key, value, valid):
    with pytest.raises(ConfigError, match=f"fit.{key} must be {valid}.*, got {value}"):
        fit(manager, few, **{key: value})


def test_numbers_may_be_those_of_numpy(manager, few):
    numbers = {"epochs": np.int64(0), "learning_rate": np.float32(0.1), "seed": np.int32(1)}
    assert list(fit(manager, few, **numbers)) == []


def test_a_schedule_multiplies_the_learning_rate(manager, few):
    (metrics,) = fit(manager, few, 1, 0.5, schedule=lambda steps, total: np.full(len(steps), 0.5))
    assert metrics["train/learning_rate"] == pytest.approx(0.25)


def test_an_optimizer_keeps_its_own_learning_rate_or_schedule(manager, few):
    (metrics,) = fit(manager, few, 1, optimizer=keras.optimizers.SGD(0.25))
    assert metrics["train/learning_rate"] == pytest.approx(0.25)
    halving = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.5)
    (metrics,) = fit(manager, few, 1, optimizer=keras.optimizers.SGD(halving))
    steps = len(few.train[0]) // 128
    assert metrics["train/learning_rate"] == pytest.approx(0.5**steps)
    (metrics,) = fit(manager, few, 1, 0.125, optimizer=keras.optimizers.SGD(0.25))
    assert metrics["train/learning_rate"] == pytest.approx(0.125)


def test_a_loss_object_of_keras_trains_like_the_function(few):
    def trained(loss):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
        manager = QuantManager(keras.Sequential(layers), [BINARY])
        (metrics,) = fit(manager, few, 1, loss=loss)
        return metrics["test/loss"]

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert trained(loss) == pytest.approx(trained(losses.cross_entropy), rel=1e-6)


def test_the_same_seed_gives_the_same_bits(few):
    def trained(seed):
        keras.utils.set_random_seed(1)
        layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
        manager = QuantManager(keras.Sequential(layers), [BINARY])
        list(fit(manager, few, epochs=1, seed=seed))
        return manager.model.get_weights()[0].tobytes()

    assert trained(0) == trained(0) != trained(1)


def test_data_are_loaded_by_the_name_of_their_option():
    data = load_data("copying", train=20, validation=0, test=10)
    assert (len(data.train[0]), data.classes) == (20, 10)
    with pytest.raises(ConfigError, match=r"dataset.lenght is not a key here.*did you mean length"):
        load_data("copying", lenght=3)
    with pytest.raises(BrnnError, match=r"dataset must be one of .*, got mnst; did you mean mnist"):
        load_data("mnst")


def test_a_net_is_attacked_checked_and_logged(manager, few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(fit(manager, few, epochs=1))
    report = evaluate(manager, few.test[0][:100], few.test[1][:100], attack="fgsm", epsilon=0.1)
    assert 0 <= report.metrics["trust/robust_accuracy"] <= report.metrics["attack/clean_accuracy"]
    assert report.verdict
    with track("mine", experiment="library") as run:
        run.metrics(report.metrics, step=1)
        run.model(manager.discretized())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    logged = mlflow.MlflowClient(uri).get_run(run.id)
    assert (logged.info.status, logged.info.run_name) == ("FINISHED", "mine")
    assert logged.data.metrics["attack/robust_accuracy"] == report.metrics["attack/robust_accuracy"]


def test_a_run_is_tracked_in_the_store_of_the_environment(tmp_path, empty_store, monkeypatch):
    for name in ("own.db", "other.db"):
        shutil.copy(empty_store, tmp_path / name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/own.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with track("named") as run:
        pass
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/own.db")
    found = client.get_run(run.id)
    assert found.info.run_name == "named"
    assert client.get_experiment(found.info.experiment_id).name == "mine"
    with track("elsewhere", uri=f"sqlite:///{tmp_path}/other.db"):
        assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/own.db"


def test_a_script_with_keras_on_another_backend_gets_a_clear_error():
    code = "import brnn; print(brnn.ConfigError.__name__); from brnn import QuantManager"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "ConfigError\n"
    assert "ConfigError: KERAS_BACKEND=jax must be tensorflow for brnn" in done.stderr


def test_an_error_ends_a_tracked_run_as_failed(folder_with_store):
    uri = f"sqlite:///{folder_with_store('failed')}/mlflow.db"
    with pytest.raises(ZeroDivisionError), track("broken", uri=uri) as run:
        raise ZeroDivisionError
    assert mlflow.MlflowClient(uri).get_run(run.id).info.status == "FAILED"
