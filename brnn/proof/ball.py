"""Balls around an image in L0, L1 and L2, as a part of a box.

Shapes: an image and its box (k,); pixels p of which only those within the box vary.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import block_array, csr_array, diags_array

from brnn.proof.numbers import RELATIVE

Norm = Literal["linf", "l0", "l1", "l2"]
OUTWARD = 1e-9  # relative, by which bounds are widened for the rounding of float64


class Ball(NamedTuple):
    """The images within a distance of a center.

    Attributes:
        center: (k,) the image.
        norm: `l0` (the number of pixels that change), `l1` or `l2`.
        radius: the distance.
    """

    center: np.ndarray
    norm: Norm
    radius: float

    def distance(self, images: np.ndarray) -> np.ndarray:
        """Return the distances (b,) of images (b, k)."""
        return distance(images.astype("float64") - self.center, self.norm)

    def contains(self, images: np.ndarray) -> np.ndarray:
        """Return which images (b, k) lie within the ball."""
        return self.distance(images) <= self.radius * (1 + OUTWARD)

    def bounds(
        self, weights: csr_array, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds (m,) on weights @ x for x of the ball between `low` and `high`."""
        middle = weights @ self.center
        down, up = self.center - low, high - self.center
        rise = self._reach(
            weights, np.where(weights.data > 0, up[weights.indices], down[weights.indices])
        )
        fall = self._reach(
            weights, np.where(weights.data > 0, down[weights.indices], up[weights.indices])
        )
        slack = OUTWARD * (abs(weights) @ np.abs(self.center))
        return middle - fall - slack, middle + rise + slack

    def _reach(self, weights: csr_array, limits: np.ndarray) -> np.ndarray:
        """Return by how much each sum can change, if each weight's pixel changes by its limit."""
        count, sizes = weights.shape[0], np.abs(weights.data).astype("float64")
        row = np.repeat(np.arange(count), np.diff(weights.indptr))
        if self.norm == "l2":
            reach = self.radius * np.sqrt(np.bincount(row, sizes**2, minlength=count))
        elif self.norm == "l1":
            largest = np.zeros(count)
            np.maximum.at(largest, row, sizes)
            reach = self.radius * largest
        else:
            gains = sizes * limits
            order = np.lexsort((-gains, row))
            rank = np.arange(len(row)) - weights.indptr[row]
            counted = np.where(rank < self.radius, gains[order], 0.0)
            reach = np.bincount(row, counted, minlength=count).astype("float64")
        total = np.bincount(row, sizes * limits, minlength=count)
        return np.minimum(reach, total) * (1 + OUTWARD)

    def nearest(self, images: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return images (b, k) of the ball, by keeping the changes that matter most.

        Args:
            images: (b, k) in the box.
            gradient: (k,) or (b, k) of what the changes are to lower.
        """
        change = images - self.center
        if self.norm == "l2":
            size = np.linalg.norm(change, axis=1, keepdims=True)
            return self.center + change * np.minimum(1, self.radius / np.maximum(size, 1e-300))
        key = -np.abs(gradient) * (np.abs(change) if self.norm == "l0" else 1.0)
        order = np.argsort(np.broadcast_to(key, change.shape), axis=1)
        sorted_ = np.take_along_axis(change, order, axis=1)
        if self.norm == "l0":
            kept = np.where(np.arange(sorted_.shape[1]) < self.radius, sorted_, 0.0)
        else:
            before = np.cumsum(np.abs(sorted_), axis=1) - np.abs(sorted_)
            kept = np.sign(sorted_) * np.clip(self.radius - before, 0, np.abs(sorted_))
        result = np.zeros_like(change)
        np.put_along_axis(result, order, kept, axis=1)
        return self.center + result


class Constraint(NamedTuple):
    """A ball in rows: rows @ v >= least, of pixels v and further variables, 0 <= v <= width.

    Attributes:
        rows: (r, p + a).
        least: (r,).
        width: (a,) of the further variables, one for each pixel or none.
    """

    rows: csr_array
    least: np.ndarray
    width: np.ndarray


def constraint(
    ball: Ball | None, low: np.ndarray, width: np.ndarray, pixels: np.ndarray
) -> Constraint:
    """Return the rows of a ball: none for L2, whose tangents are added as they are needed.

    Args:
        ball: the ball; None for none.
        low: (k,) lower bounds of the box; a pixel is low + v.
        width: (p,) of the pixels that vary.
        pixels: (p,) which these are.
    """
    count = len(pixels)
    if ball is None or ball.norm == "l2":
        return Constraint(csr_array((0, count)), np.zeros(0), np.zeros(0))
    start = (ball.center - low)[pixels]
    largest = np.maximum(start, width - start)
    ones = np.ones(count)
    size, limit = (ones, largest) if ball.norm == "l1" else (largest, ones)
    empty = csr_array((1, count))
    rows = block_array(
        [
            [diags_array(-ones), diags_array(size)],  # the size of a change is at least the change
            [diags_array(ones), diags_array(size)],
            [empty, csr_array(-ones[None])],
        ]
    )
    slack = RELATIVE * np.maximum(size, 1)
    least = np.concatenate([-start - slack, start - slack, [-ball.radius - RELATIVE]])
    return Constraint(csr_array(rows), least, limit)


def tangent(
    ball: Ball, point: np.ndarray, low: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the row (p,) and bound of a half-space that contains an L2 ball, but not a point.

    Args:
        ball: the ball.
        point: (k,) outside of it.
        low: (k,) lower bounds of the box.
        pixels: (p,) which vary.
    """
    direction = point - ball.center
    direction = direction / np.linalg.norm(direction)
    most = ball.radius * (1 + RELATIVE) + direction @ (ball.center - low)
    return -direction[pixels], float(-most)


def distance(change: np.ndarray, norm: Norm) -> np.ndarray:
    """Return the norms (b,) of changes (b, k)."""
    if norm == "l0":
        return (change != 0).sum(axis=1).astype("float64")
    return np.linalg.norm(change, {"l1": 1, "l2": 2, "linf": np.inf}[norm], axis=1)


def largest_distance(pixels: int, largest: float, norm: Norm) -> float:
    """Return the largest distance of two images of so many pixels between 0 and `largest`."""
    sizes = {"linf": largest, "l0": pixels, "l1": pixels * largest, "l2": pixels**0.5 * largest}
    return float(sizes[norm])
