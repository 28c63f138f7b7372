"""Check a value against an annotation; describe what the annotation allows."""

import types
import typing
from typing import Any, Literal

WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    dict: "a mapping",
    types.NoneType: "null",
}


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a value is of an annotated type and passes its test.

    A bool does not count as a number.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return True
    if annotation is None or annotation is types.NoneType:
        return value is None
    if origin is typing.Annotated:
        return fits(value, arguments[0]) and annotation.__metadata__[1](value)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return any(value == a and type(value) is type(a) for a in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, annotation) and (annotation is bool or not isinstance(value, bool))


def describe(annotation: Any) -> str:
    """Return what an annotation allows, in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return annotation.__metadata__[0]
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(describe, arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is list:
        return f"a list, each {describe(arguments[0])}"
    return WORDS.get(annotation, str(annotation))
