"""Properties in VNN-LIB 2.0, as texts of version 1.0: of one network with one input and one output.

`X[0,3]` becomes `X_3`, the number in the flat tensor, so that the lines stay as they are.

References:
    https://www.vnnlib.org (the standard, version 2.0)
"""

import math
import re

import numpy as np

from brnn.errors import DataError

COMMENT = re.compile(r";[^\n]*")
VERSION = re.compile(r"\(\s*vnnlib-version\s*<([\d.]+)>\s*\)")
NETWORK = re.compile(r"\(\s*declare-network\s+\w+((?:\s*\([^()]*\))*)\s*\)")
PART = re.compile(r"\(\s*declare-(\w+)\s+(\w+)\s+(\w+)\s*\[([\d,\s]*)\]\s*([^()]*)\)")
ELEMENT = re.compile(r"\b([A-Za-z_]\w*)\s*\[([\d,\s]*)\]")


def translated(text: str) -> str:
    """Return a text of version 2.0 in the form of 1.0; others as they are.

    Raises:
        DataError: it declares something else than one real input and one real output, or names an
            element that they do not have.
    """
    text = COMMENT.sub("", text)
    version = VERSION.search(text)
    if version is None:
        return text
    if version[1] != "2.0":
        raise DataError(f"VNN-LIB {version[1]} is not supported; 1.0 and 2.0 are")
    networks = [*NETWORK.finditer(text)]
    if len(networks) != 1:
        raise DataError(f"{len(networks)} networks are declared; exactly one is supported")
    shapes = _shapes(networks[0][1])

    head, body = text[: networks[0].end()], text[networks[0].end() :]

    def line(match: re.Match[str]) -> int:
        return head.count("\n") + body.count("\n", 0, match.start()) + 1

    def element(match: re.Match[str]) -> str:
        if match[1] not in shapes:
            raise DataError(f"line {line(match)}: {match[1]} is not declared")
        letter, shape = shapes[match[1]]
        index = tuple(int(part) for part in match[2].split(",") if part.strip())
        try:
            return f"{letter}_{np.ravel_multi_index(index, shape)}"
        except ValueError:
            message = f"{match[0]} is not in the shape {list(shape)}"
            raise DataError(f"line {line(match)}: {message}") from None

    declared = [
        f"(declare-const {letter}_{number} Real)"
        for letter, shape in shapes.values()
        for number in range(math.prod(shape))
    ]
    before = VERSION.sub("", text[: networks[0].start()])
    lines = "\n" * networks[0][0].count("\n")
    return before + " ".join(declared) + lines + ELEMENT.sub(element, body)


def _shapes(parts: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return by name X with the shape of the input, and Y with that of the output."""
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    found = PART.findall(parts)
    if parts.count("(") != len(found):
        raise DataError(
            "declare-network has a part that is not supported; an input and an output of fixed"
            " shapes are"
        )
    for kind, name, type_, shape, rest in found:
        letter = {"input": "X", "output": "Y"}.get(kind)
        if letter is None or rest.strip() or type_ not in ("float32", "float64", "Real"):
            raise DataError(
                f"declare-{kind} {name} {type_} is not supported; one real input and one real"
                " output are"
            )
        shapes[name] = letter, tuple(int(size) for size in shape.split(",") if size.strip())
    if sorted(letter for letter, _ in shapes.values()) != ["X", "Y"]:
        raise DataError("the network must declare one input and one output")
    return shapes
