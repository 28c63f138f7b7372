"""A store that the tests of a module share."""

import contextlib

import pytest

from brnn.tracking.store import open_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(folder):
    """A new store, by a path relative to the working directory of the moment."""
    with contextlib.chdir(folder):
        return open_store(uri="sqlite:///new/mlflow.db", experiment="tests")


@pytest.fixture(scope="module")
def stored(store):
    """Return a function from a run to what the store holds of it."""
    return lambda run: store.client.get_run(run.id)
