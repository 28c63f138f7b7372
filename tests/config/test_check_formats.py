"""Formats are refused before a net is trained for them."""

import importlib.util

import pytest

from brnn.config.check import check
from brnn.config.check_formats import check_formats
from brnn.errors import ConfigError


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    check_formats(["levels", "c"])
    with pytest.raises(ConfigError) as error:
        check_formats(["levels", "onnx"])
    assert str(error.value) == (
        "format=onnx needs the package onnxruntime, which is not installed: pip install"
        " 'brnn[onnx]'"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("export.formats=[lvels]", "got lvels; did you mean levels"),
        ("export.formats=levels", "export.formats must be a list, each a text, got 'levels'"),
        ("export.tolerance=-1", "export.tolerance must be between 0 and 1, got -1"),
    ],
)
def test_a_configuration_with_a_bad_export_is_refused(composed, override, message):
    with pytest.raises(ConfigError, match=message):
        check(composed(override))
