"""Fixtures of the tests of sweeps."""

import shutil

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from support import processes
from support.data import write_two_classes

SMALL_NET = (
    "precision=full",
    "topology=mlp",
    "topology.width=8",
    "topology.depth=1",
    "batch_size=32",
    "attack=none",
    "dataset=arrays",
    "dataset.path=mine.npz",
    "compiled=false",
    "figures=[]",
)


@pytest.fixture
def folder(tmp_path, empty_store):
    """A folder with data and a store, in which commands run."""
    write_two_classes(tmp_path / "mine.npz")
    shutil.copy(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def begin(folder):
    """Return a function that starts to train a small net in the folder."""
    return lambda *arguments: processes.begin(folder, *SMALL_NET, *arguments)


@pytest.fixture
def complete(folder):
    """Return a function that trains a small net in the folder: exit code, stdout, stderr."""
    return lambda *arguments: processes.complete(folder, *SMALL_NET, *arguments)


@pytest.fixture(scope="session")
def overrides():
    """Return a function that parses overrides as Hydra does."""
    return lambda *lines: OverridesParser.create().parse_overrides(list(lines))
