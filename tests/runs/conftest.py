"""Fixtures of runs that are repeated."""

import pytest
from support.data import write_two_classes
from support.repeated import Folder


@pytest.fixture(scope="session")
def data_path(tmp_path_factory):
    return write_two_classes(tmp_path_factory.mktemp("data") / "mine.npz")


@pytest.fixture
def folder(tmp_path, empty_store, data_path, options):
    """A folder with a store, in which a small net is trained."""
    return Folder(tmp_path, empty_store, data_path, options)


@pytest.fixture(scope="session")
def reference(tmp_path_factory, empty_store, data_path, options):
    """A run of six epochs without interruption."""
    folder = Folder(tmp_path_factory.mktemp("reference"), empty_store, data_path, options)
    folder.run("epochs=6")
    return folder
