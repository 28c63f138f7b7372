"""The parts of a program: its variables, affine functions of these, and rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from brnn.proof.columns import widened

UP, DOWN, ALWAYS = 1, 0, -1  # the direction of a variable that calls for a row


@dataclass(frozen=True)
class Variables:
    """The variables of a program so far.

    Args:
        center: (variables,) their values at the center of the box.
        binary: (variables,) which are binaries; others are pixels, sizes of their changes, and
            positive parts of sums.
    """

    center: np.ndarray
    binary: np.ndarray

    @property
    def count(self) -> int:
        """The number of variables."""
        return len(self.center)

    def followed_by(self, center: np.ndarray, binary: bool) -> "Variables":
        """Return these variables and others, with their values at the center of the box."""
        return Variables(
            np.concatenate([self.center, center]),
            np.concatenate([self.binary, np.full(len(center), binary)]),
        )


class Affine(NamedTuple):
    """Numbers as affine functions of the program's variables: matrix @ v + shift.

    Attributes:
        matrix: (k, variables).
        shift: (k,).
    """

    matrix: csr_array
    shift: np.ndarray

    def of(self, weights: csr_array) -> "Affine":
        """Return sums (m,) of the numbers, with weights (m, k)."""
        matrix = csr_array(weights @ self.matrix)
        matrix.eliminate_zeros()
        return Affine(matrix, weights @ self.shift)

    def followed_by(self, other: "Affine") -> "Affine":
        """Return these numbers and others, of as many variables or more."""
        matrix = vstack([widened(self.matrix, other.matrix.shape[1]), other.matrix])
        return Affine(csr_array(matrix), np.concatenate([self.shift, other.shift]))


class Rows(NamedTuple):
    """Rows matrix @ v >= least.

    Attributes:
        matrix: (r, variables).
        least: (r,).
        variable: (r,) the step or positive part that calls for each row.
        direction: (r,) `UP` or `DOWN`: the row matters where the variable is wanted larger, or
            smaller; `ALWAYS`: in both cases.
    """

    matrix: csr_array
    least: np.ndarray
    variable: np.ndarray
    direction: np.ndarray


@dataclass(frozen=True)
class Links:
    """What a layer adds to a program.

    Args:
        rows: returns the rows that link its variables to what is before them.
        outputs: the values of the layer, as functions of the variables.
        variables: all variables so far.
    """

    rows: Callable[[], tuple[Rows, ...]]
    outputs: Affine
    variables: Variables


def largest(matrix: csr_array, others: np.ndarray) -> np.ndarray:
    """Return for each row the largest size of its coefficients and others (r,); 1 if all are 0."""
    sizes = np.abs(others)
    if matrix.shape[1]:
        sizes = np.maximum(abs(matrix).max(axis=1).toarray().ravel(), sizes)
    return np.where(sizes > 0, sizes, 1.0)
