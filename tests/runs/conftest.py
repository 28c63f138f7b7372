"""What the tests of runs share: a folder with data and a store, and runs in it."""

import numpy as np
import pytest
from support.data import write_two_classes
from support.repeated import Repeated
from support.tracked import COMMAND, NET, Tracked, placed, runs

from brnn.data import sources
from brnn.runs.run import run


@pytest.fixture(scope="module")
def folder(folder_with_store):
    """Where the store of these tests lies, and the 5,000 embedded digits as somebody's own data."""
    path = folder_with_store("runs")
    np.savez(
        path / "digits.npz",
        **dict(zip(("x", "y", "x_test", "y_test"), sources.embedded_digits(), strict=True)),
    )
    return path


@pytest.fixture(scope="module")
def track(folder, options):
    """A function from overrides to a run."""

    def track_(*overrides) -> Tracked:
        chosen = options(*placed(folder), *NET, *overrides)
        value = run(chosen, None, (), lambda epoch, metrics: True, COMMAND).value
        return Tracked(value, *runs(folder)[0], chosen)

    return track_


@pytest.fixture(scope="session")
def data_path(tmp_path_factory):
    """The file of a small data set of two classes."""
    return write_two_classes(tmp_path_factory.mktemp("data") / "mine.npz")


@pytest.fixture
def repeated(tmp_path, empty_store, data_path, options):
    """A folder with a store, in which a small net is trained again and again."""
    return Repeated(tmp_path, empty_store, data_path, options)


@pytest.fixture(scope="session")
def reference(tmp_path_factory, empty_store, data_path, options):
    """A run of six epochs without interruption."""
    folder = Repeated(tmp_path_factory.mktemp("reference"), empty_store, data_path, options)
    folder.run("epochs=6")
    return folder
