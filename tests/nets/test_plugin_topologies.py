"""What a topology of a plugin returns."""

import importlib
import sys

import pytest

from brnn.errors import ConfigError
from brnn.nets.models import untrained_model
from brnn.nets.task import Task

PLUGIN = """
import keras
from typing import Any


def nothing(task, activate, *, width: Any):
    return 3


def wide(task, activate, *, width: Any):
    inputs = keras.Input(task.shape)
    return keras.Model(inputs, keras.layers.Dense(width)(inputs))
"""


@pytest.fixture
def built(tmp_path, monkeypatch, composed):
    """A function from the name of a topology to its model."""
    (tmp_path / "lab_topologies.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    options = composed("plugins=[lab_topologies]")

    def model(name):
        topology = {"name": f"lab_topologies.{name}", "width": 4}
        return untrained_model(options | {"topology": topology}, Task((6,), 3), "trained")

    yield model
    sys.modules.pop("lab_topologies", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "topology.name=lab_topologies.nothing must return a keras.Model, got int"),
        ("wide", "topology.name=lab_topologies.wide must have outputs of width 3 .*, got 4"),
    ],
)
def test_it_must_be_a_model_with_an_output_for_each_class(built, name, message):
    with pytest.raises(ConfigError, match=message):
        built(name)
