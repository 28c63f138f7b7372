"""What several tests share: digits, and configurations composed from `conf/`."""

import gc
import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["XDG_CACHE_HOME"] = str(
    Path(__file__).parents[1] / ".pytest_cache" / "xdg"
)  # not the user's

import pytest
from hypothesis import settings
from support import composition, stores

import brnn.cli.train  # noqa: F401  puts the plugins where Hydra finds them
from brnn.config import environment
from brnn.config.check import check
from brnn.data import dataset, images, sources

gc.disable()  # until all tests are imported, since what they import stays
for name in environment.STORE:  # of the user
    os.environ.pop(name, None)

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption("--made-up", type=int, default=50, help="cases of tests/runs/test_made_up.py")


def pytest_collection_modifyitems(items):
    """Begin with the files of slow tests, so that no process is idle at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Exempt what is imported from garbage collection, which is seldom from now on."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session")
def digits():
    """MNIST in the folder BRNN_DATA, else the 5,000 embedded digits; a twelfth for validation."""
    if "BRNN_DATA" in os.environ:
        return images.mnist(
            root=str(Path(os.environ["BRNN_DATA"]) / "mnist"),
            validation=1 / 12,
            normalization="none",
        )
    x, y, x_test, y_test = sources.embedded_digits()
    held_out = len(x) // 12
    pairs = ((x[held_out:], y[held_out:]), (x[:held_out], y[:held_out]), (x_test, y_test))
    typed = [(a, b.astype("int32")) for a, b in pairs]
    return dataset.Data(*typed, classes=10, source="embedded")


@pytest.fixture(scope="session")
def composed():
    """A function from overrides to the configuration that Hydra composes, unchecked."""
    return composition.composed


@pytest.fixture(scope="session")
def options(composed):
    """A function from overrides to a checked configuration, as a run gets it."""

    def checked(*overrides) -> dict:
        result = composed(*overrides)
        check(result)
        return result

    return checked


@pytest.fixture(scope="session")
def offline(tmp_path_factory) -> dict[str, str]:
    """The variables of a process without data, network and configuration."""
    preset = ("BRNN_", "CI", "GIT_PYTHON", "HYDRA_", "MLFLOW_", "TF_", "no_proxy", "NO_PROXY")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(preset)}
    return clean | {
        "https_proxy": "http://127.0.0.1:9",
        "KERAS_HOME": str(tmp_path_factory.mktemp("keras")),
    }


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """The file of a SQLite store with its tables, to be copied: its creation takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    stores.open_in(folder, "Default")
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def folder_with_store(tmp_path_factory, empty_store):
    """A function from a name to a new folder, with an empty store in it."""

    def folder(name: str) -> Path:
        path = tmp_path_factory.mktemp(name)
        shutil.copy(empty_store, path)
        return path

    return folder
