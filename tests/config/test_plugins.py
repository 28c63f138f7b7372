"""Functions of plugins are checked like options."""

import importlib
import re

import pytest

from brnn.config import groups
from brnn.config.check import check
from brnn.errors import ConfigError

ODD = """
def odd(x, upstream, fan_in, *, beta: tuple[int, int]):
    return x

def odder(x, upstream, fan_in, *, beta: 1 / 0):
    return x

class Scale: ...

def own(x, upstream, fan_in, *, beta: Scale):
    return x

def quoted(x, upstream, fan_in, *, beta: "Positive"):
    return x

def pairs(*, root: str, validation: float) -> datasets.Tokens: ...
"""
SHARP = '''
from typing import Any

from brnn.config.ranges import Positive

def sharp(x, upstream, fan_in, *, beta: Positive, scale: Any):
    """Beta times the upstream gradient."""
    return beta * upstream

def _private(x, upstream, fan_in):
    return x
'''


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """A package of one's own with an estimator."""
    (tmp_path / "labmodule").mkdir()
    (tmp_path / "labmodule" / "__init__.py").touch()
    (tmp_path / "labmodule" / "estimators.py").write_text(SHARP)
    (tmp_path / "labmodule" / "odd.py").write_text(ODD)
    (tmp_path / "labmodule" / "broken.py").write_text("def sharp(:")
    (tmp_path / "labmodule" / "space").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


PLUGGED = ("plugins=[labmodule]", "estimator.name=labmodule.estimators.sharp")


def test_a_function_of_a_plugin_is_used_with_its_keys(mylab, options):
    whole = options(*PLUGGED, "+estimator.beta=2", "+estimator.scale=any")
    assert groups.function("estimator", whole["estimator"], whole["plugins"])(0.0, 3.0, 1) == 6.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+estimator.scale=1"], "estimator.beta is missing"),
        (
            ["+estimator.beta=-2", "+estimator.scale=1"],
            "estimator.beta must be a finite number above 0, got -2",
        ),
        (
            ["estimator.name=labmodule.estimators._private"],
            "estimator.name must be one of sharp, got",
        ),
        (
            ["estimator.name=os.system"],
            "estimator.name=os.system: add 'os' to plugins, which lists ['labmodule']",
        ),
        (
            ["estimator.name=labmodule.nothing.sharp"],
            "estimator.name=labmodule.nothing.sharp: there is no module",
        ),
        (
            ["estimator.name=labmodule.space.sharp"],
            "there is no module 'labmodule.space' in Python",
        ),
        (
            ["estimator.name=labmodule.broken.sharp"],
            "estimator.name=labmodule.broken.sharp: invalid syntax",
        ),
        (
            ["estimator.name=labmodule.odd.odd", "+estimator.beta=1"],
            "the annotation of beta, tuple[int, int], cannot be read at tuple[int, int]; use int,",
        ),
        (
            ["estimator.name=labmodule.odd.odder"],
            "the annotation of beta, 1 / 0, cannot be read at 1 / 0; use int,",
        ),
        (
            ["estimator.name=labmodule.odd.quoted", "+estimator.beta=0"],
            "must be a finite number above 0, got 0",
        ),
        (
            [
                *("+estimator.beta=1", "+estimator.scale=1"),
                *("dataset.name=labmodule.odd.pairs", "~dataset.normalization"),
            ],
            "attack=fgsm needs a dataset of pixels and classes, got dataset=labmodule.odd.pairs",
        ),
    ],
)
def test_a_plugin_is_checked_like_an_option(mylab, composed, overrides, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        check(composed(*PLUGGED, *overrides))
