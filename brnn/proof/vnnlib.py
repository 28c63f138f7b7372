"""Properties in VNN-LIB: a box of inputs, and comparisons of outputs.

References:
    https://www.vnnlib.org
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from brnn.errors import DataError
from brnn.proof.ball import Ball, Norm
from brnn.proof.vnnlib_2 import translated

TOKEN = re.compile(r"\(|\)|[^\s()]+")
VARIABLE = re.compile(r"([XY])_(\d+)")
BOUNDS = ("<=", ">=", "=", "==")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOST_CASES = 10_000
SUPPORTED = "supported are bounds of inputs by numbers, and <=, >=, < and > between two outputs"


class Comparison(NamedTuple):
    """The demand that an output is at least another one or, if strict, larger.

    Attributes:
        larger: the index of the output.
        smaller: that of the other one.
        strict: whether equal outputs do not fulfil it.
    """

    larger: int
    smaller: int
    strict: bool = False

    def holds(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return for which outputs (b, c) it may hold, of upper and lower bounds on them."""
        compare = np.greater if self.strict else np.greater_equal
        return compare(high[:, self.larger], low[:, self.smaller])


Case = tuple[Comparison, ...]
"""Demands of which all hold."""


@dataclass(frozen=True)
class Property:
    """What a counterexample is: an input of a box whose outputs fulfil one of several cases.

    Args:
        low: (k,) lower bounds of the input.
        high: (k,) upper bounds.
        cases: of the outputs.
        outputs: the number of outputs.
        ball: of which inputs must be too, if it is given.
    """

    low: np.ndarray
    high: np.ndarray
    cases: tuple[Case, ...]
    outputs: int
    ball: Ball | None = None

    @property
    def bound(self) -> float:
        """Bound on the absolute value of an input."""
        return float(np.abs([self.low, self.high]).max(initial=0.0))

    def box(self, whole: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds (k,) of inputs; where these are whole, whole ones within the box."""
        return (np.ceil(self.low), np.floor(self.high)) if whole else (self.low, self.high)

    def center(self, whole: bool) -> np.ndarray:
        """Return the center (k,) of the ball or, without one, of the box."""
        if self.ball is not None:
            return self.ball.center
        low, high = self.box(whole)
        return (low + high) / 2

    def on_grid(self, batch: np.ndarray, grid: float, whole: bool) -> np.ndarray:
        """Return the multiples of a number next to inputs (b, k), in the box and the ball."""
        if self.ball:  # changes are rounded towards 0
            inside = self.ball.contains(batch)[:, None]
            nearest = self.ball.nearest(batch, np.ones(batch.shape[1]))
            change = np.where(inside, batch, nearest) - self.ball.center
            return self.ball.center + np.trunc(change / grid) * grid
        low, high = self.box(whole)
        least, most = np.ceil(low / grid), np.floor(high / grid)
        near = np.clip(np.rint(batch / grid), least, most) * grid
        return np.where(least <= most, near, low)

    def of(self, shape: tuple[int, ...], classes: int) -> "Property":
        """Return the property of a net, whatever its shape."""
        return self

    def holds(self, logits: np.ndarray, error: np.ndarray | float = 0.0) -> np.ndarray:
        """Return which outputs (b, c) have the property: those of counterexamples.

        Args:
            logits: the outputs.
            error: (c,) by which each may be off; then those that may have it.
        """
        low, high = logits - error, logits + error
        cases = [np.all([part.holds(high, low) for part in case], axis=0) for case in self.cases]
        return np.any(cases, axis=0)


def other_class(label: int, classes: int, first_wins: bool = False) -> tuple[Case, ...]:
    """Return the cases that another class is at least as large as a label.

    Args:
        label: the class.
        classes: the number of classes.
        first_wins: whether only the first of the largest outputs counts, as in argmax.
    """
    rivals = (rival for rival in range(classes) if rival != label)
    return tuple((Comparison(r, label, first_wins and r > label),) for r in rivals)


def property_near(
    x: np.ndarray, norm: Norm, radius: float, largest: float, cases: tuple[Case, ...]
) -> Property:
    """Return the property that an image within a distance of another one fulfils a case.

    Args:
        x: (k,) the image.
        norm: of the distance.
        radius: the distance.
        largest: pixel; the least is 0.
        cases: of the outputs.
    """
    x = x.astype("float32").astype("float64")  # as a net takes it
    reach = largest if norm == "l0" else radius
    low, high = np.maximum(x - reach, 0), np.minimum(x + reach, largest)
    outputs = 1 + max(max(part[:2]) for case in cases for part in case)
    ball = None if norm == "linf" else Ball(x, norm, radius)
    return Property(low, high, cases, outputs, ball)


class _Tree(list):
    """An expression in parentheses, and the line where it begins."""

    line = 0


def read(path: Path) -> Property:
    """Return the property of a file, which may be compressed by gzip.

    Raises:
        DataError: the file cannot be read, or states something else; the message names the line.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        return parse(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def parse(text: str) -> Property:
    """Return the property that a text states.

    Raises:
        DataError: it states something else; the message names the line.
    """
    declared: dict[str, int] = {}  # variables, and their lines
    counts = {"X": 0, "Y": 0}
    low: dict[int, float] = {}
    high: dict[int, float] = {}
    demands: list[list[Case]] = []
    for tree in _trees(translated(text)):
        match tree:
            case ["declare-const", str(name), "Real"] if VARIABLE.fullmatch(name):
                _declare(tree, name, declared, counts)
            case ["assert", [str(sign), str(name), str(number)]] if _is_bound(sign, name, number):
                _bound(tree, sign, _index(tree, name, declared), number, (low, high))
            case ["assert", [str(sign), str(number), str(name)]] if _is_bound(sign, name, number):
                mirrored = sign.translate(str.maketrans("<>", "><"))
                _bound(tree, mirrored, _index(tree, name, declared), number, (low, high))
            case ["assert", formula]:
                demands.append(_cases(tree, formula, declared))
            case _:
                raise DataError(f"line {tree.line}: {_shown(tree)} is not supported; {SUPPORTED}")
    return Property(*_box(counts["X"], low, high, declared), _joined(demands), counts["Y"])


def _declare(tree: _Tree, name: str, declared: dict[str, int], counts: dict[str, int]) -> None:
    """Add a variable, of which the first is X_0 or Y_0, and each later one has the next number."""
    expected = f"{name[0]}_{counts[name[0]]}"
    if name != expected:
        raise DataError(f"line {tree.line}: {name} is declared where {expected} is expected")
    declared[name] = tree.line
    counts[name[0]] += 1


def _trees(text: str) -> Iterator[_Tree]:
    """Yield the outermost expressions."""
    stack: list[_Tree] = []
    for number, line in enumerate(text.splitlines(), 1):
        for token in TOKEN.findall(line.partition(";")[0]):
            if token == "(":
                stack.append(_Tree())
                stack[-1].line = number
            elif not stack:
                raise DataError(f"line {number}: {token} stands outside of parentheses")
            elif token != ")":
                stack[-1].append(token)
            else:
                tree = stack.pop()
                if stack:
                    stack[-1].append(tree)
                else:
                    yield tree
    if stack:
        raise DataError(
            f"line {stack[0].line}: the parenthesis is not closed; is the file complete?"
        )


def _is_bound(sign: str, name: str, number: str) -> bool:
    return sign in BOUNDS and name.startswith("X_") and not VARIABLE.fullmatch(number)


def _bound(
    tree: _Tree, sign: str, index: int, number: str, box: tuple[dict[int, float], dict[int, float]]
) -> None:
    """Narrow the box by one bound."""
    value = float(number) if NUMBER.fullmatch(number) else np.nan
    if not np.isfinite(value):
        raise DataError(f"line {tree.line}: {number} is not a finite number")
    low, high = box
    if sign != "<=":
        low[index] = max(value, low.get(index, -np.inf))
    if sign != ">=":
        high[index] = min(value, high.get(index, np.inf))


def _index(tree: _Tree, name: str, declared: dict[str, int]) -> int:
    if name not in declared:
        raise DataError(f"line {tree.line}: {name} is not declared before it")
    return int(name[2:])


def _cases(tree: _Tree, formula: object, declared: dict[str, int]) -> list[Case]:
    """Return the cases of a formula in `or`, `and` and comparisons of outputs."""
    match formula:
        case ["or", *parts] if parts:
            return [case for part in parts for case in _cases(tree, part, declared)]
        case ["and", *parts] if parts:
            return list(_joined([_cases(tree, part, declared) for part in parts]))
        case ["<=" | ">=" | "<" | ">" as sign, str(left), str(right)] if (
            left[:2] == right[:2] == "Y_"
        ):
            pair = (_index(tree, left, declared), _index(tree, right, declared))
            strict = sign in "<>"
            return [(Comparison(*(pair if ">" in sign else pair[::-1]), strict),)]
    raise DataError(f"line {tree.line}: {_shown(formula)} is not supported; {SUPPORTED}")


def _joined(demands: list[list[Case]]) -> tuple[Case, ...]:
    """Return the cases in which one case of each demand holds."""
    if not demands:
        raise DataError("the file states nothing about outputs")
    if np.prod([float(len(demand)) for demand in demands]) > MOST_CASES:
        raise DataError(f"the file states more than {MOST_CASES:,} cases")
    return tuple(tuple(dict.fromkeys(sum(chosen, ()))) for chosen in product(*demands))


def _box(
    count: int, low: dict[int, float], high: dict[int, float], declared: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    for index in range(count):
        least, most = low.get(index, -np.inf), high.get(index, np.inf)
        shown = f"X_{index}, declared in line {declared[f'X_{index}']},"
        if not np.isfinite([least, most]).all():
            missing = "lower" if np.isinf(least) else "upper"
            raise DataError(f"{shown} has no {missing} bound")
        if least > most:
            raise DataError(f"{shown} has the lower bound {least} above the upper bound {most}")
    return tuple(np.array([box[i] for i in range(count)]) for box in (low, high))  # type: ignore


def _shown(tree: object) -> str:
    """Return the beginning of an expression."""
    text = f"({' '.join(_shown(part) for part in tree)})" if isinstance(tree, list) else str(tree)
    return text if len(text) < 60 else f"{text[:57]}..."
