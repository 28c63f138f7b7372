"""Annotations are read from source by a closed set of names: nothing is evaluated or imported."""

import re
import typing
from typing import Any, Literal

import pytest

from brnn.config import ranges, signatures
from brnn.errors import ConfigError

HEAD = """
from typing import Annotated, Any, Literal, Optional
from typing import Literal as L
from brnn.config import ranges
from brnn.config.ranges import Positive
from brnn.config.ranges import Share as Part

Mode = Literal["a", "b"]
Width = Annotated[int, "wide", open("/nowhere").read]
Widths = list[Width]
Loop = Loop
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A function from an annotation to what a plugin's parameter of it may be."""
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (signatures.functions, signatures.parameters, signatures._body):
        cached.cache_clear()

    def read_(annotation):
        text = f"{HEAD}\n\ndef function(x, *, key: {annotation}):\n    return x\n"
        (tmp_path / "annotated.py").write_text(text)
        return signatures.parameters("annotated", "function")["key"]

    yield read_
    for cached in (signatures.functions, signatures.parameters, signatures._body):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", int),
        ("float | None", float | None),
        ("Optional[str]", str | None),
        ("'Positive'", ranges.Positive),
        ("ranges.Positive | None", ranges.Positive | None),
        ("Part", ranges.Share),
        ("list[Positive]", list[ranges.Positive]),
        ("Literal['a', 1, None]", Literal["a", 1, None]),
        ("L['x']", Literal["x"]),
        ("Mode", Literal["a", "b"]),
        ("Width", int),  # its own test would have to be run
        ("Widths | Mode", list[int] | Literal["a", "b"]),
        ("dict[str, int]", dict),
        ("Any", Any),
    ],
)
def test_an_annotation_is_resolved(read, annotation, expected):
    assert read(annotation) == expected


@pytest.mark.parametrize(
    "annotation",
    [
        "1 / 0",
        "open('/etc/passwd').read()",
        "Nothing",
        "tuple[int]",
        "Loop",
        "other.Count",
        "Literal[x]",
        "'1 +'",
    ],
)
def test_an_annotation_outside_the_set_is_an_error_that_names_it(read, annotation):
    with pytest.raises(ConfigError, match=r"annotated.function: the annotation of key,") as error:
        read(annotation)
    assert re.search(r"cannot be read at .*; use int, float,", str(error.value))


def test_a_missing_annotation_takes_anything(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bare.py").write_text("def function(x, *, key):\n    return x\n")
    assert signatures.parameters("bare", "function") == {"key": Any}


def test_every_range_is_a_known_name():
    own = {n for n, value in vars(ranges).items() if typing.get_origin(value) is not None}
    assert own <= signatures.NAMES.keys()


def test_a_constant_is_read_and_must_be_a_literal(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "constants.py").write_text("STATED: bool = False\nCOMPUTED = not STATED\n")
    assert signatures.constant("constants", "STATED", True) is False
    assert signatures.constant("constants", "MISSING", True) is True
    with pytest.raises(
        ConfigError, match=r"constants.COMPUTED must be a literal, such as True, got not STATED"
    ):
        signatures.constant("constants", "COMPUTED", True)
