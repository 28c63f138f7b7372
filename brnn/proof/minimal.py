"""The smallest change that fulfils a property: a search over radii, with a proof or an interval."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brnn.proof.ball import Norm, distance, largest_distance
from brnn.proof.decide import SAT, UNSAT, Options, Verdict

FACTOR = 1.1  # a radius of real numbers is known up to here
EDGE = 1e-6  # relative, by which a radius lies inside of that factor
SHARE = 0.4  # of the remaining time, for one radius
FIRST_SHARE = 0.2  # the same before there is any counterexample
STEP = 4.0  # by which a radius grows or shrinks where the other bound is not known
TINY = 1e-6  # of the largest radius, below which a real one is not resolved

Decide = Callable[[float, float], tuple[Verdict, float]]
"""A radius and seconds to a verdict, and the distance of its witness (infinity without one)."""


@dataclass
class Search:
    """What is known of the smallest radius with a counterexample.

    Args:
        whole: whether radii are whole numbers.
        largest: radius.

    Attributes:
        low: no change of this size fulfils the property.
        high: a change of this size does; infinity if none is known.
        undecided: the least and the largest radius that were tried without a verdict.
        witness: of `high`.
    """

    whole: bool
    largest: float
    low: float = 0.0
    high: float = math.inf
    undecided: tuple[float, float] | None = None
    witness: np.ndarray | None = None

    @property
    def proved(self) -> bool:
        """Whether the radius is known: exactly where it is whole, else up to `FACTOR`."""
        return self._between(self.low, self.high) is None

    def next(self) -> float | None:
        """Return the radius to try next; None if there is none."""
        if self.undecided is None:
            return self._between(self.low, self.high)
        least, most = self.undecided
        below, above = self._between(self.low, least), self._between(most, self.high)
        if below is None and above is None:
            return self._beside(least, most)
        if below is None or above is None:
            return above if below is None else below
        return below if least * most > self.low * self.high else above  # the wider gap

    def learn(self, radius: float, verdict: Verdict, change: float) -> None:
        """Take the verdict at a radius into account, and the size of its witness's change."""
        least, most = self.undecided or (radius, radius)
        if verdict.status == UNSAT:
            self.low = max(self.low, radius)
        elif verdict.status != SAT:
            self.undecided = least, most = min(least, radius), max(most, radius)
        elif change < self.high:
            self.high, self.witness = change, verdict.witness
        if self.high <= least or self.low >= most:
            self.undecided = None
        elif self.undecided and self.high <= most:
            self.undecided = least, least

    def _beside(self, least: float, most: float) -> float | None:
        """Return a radius whose verdict may suffice, beside those that had none."""
        if self.whole or self.proved or not self.low or math.isinf(self.high):
            return None
        if_sat, if_unsat = self.low * FACTOR * (1 - EDGE), self.high / FACTOR * (1 + EDGE)
        beside = (radius for radius in (if_sat, if_unsat) if not least <= radius <= most)
        return next(beside, None)

    def _between(self, low: float, high: float) -> float | None:
        """Return a radius between two, or None if they are near enough."""
        if self.whole:
            low, high = math.floor(low), min(high, self.largest + 1)
        near = high - low <= 1 if self.whole else high <= max(low * FACTOR, TINY * self.largest)
        if near or low >= self.largest:
            return None
        middle = math.sqrt(low * high) if low else high / STEP
        if math.isinf(high):
            middle = min(low * STEP, self.largest) if low else self.largest / STEP
        if self.whole:
            return float(min(max(math.floor(middle), low + 1), math.ceil(high) - 1))
        return middle


def smallest_change(
    decide: Callable[[float, Options], Verdict],
    center: np.ndarray,
    norm: Norm,
    largest: float,
    start: float,
    options: Options,
) -> Verdict:
    """Search for the smallest change of an image that fulfils a property.

    Args:
        decide: `decide(radius, options)` returns the verdict on the images within a radius.
        center: (k,) the image.
        norm: of changes; radii are whole in L0, and with whole pixels in L-inf and L1.
        largest: pixel; the least is 0.
        start: the radius to begin with.
        options: how a radius is decided; `seconds` limits the whole search.

    Returns:
        The verdict at the radius `start`, a whole one rounded down; see `minimal`.
    """
    whole = norm == "l0" or (options.whole and norm != "l2")  # those of L2 are square roots
    reach = largest_distance(center.size, largest, norm)

    def decided(radius: float, seconds: float) -> tuple[Verdict, float]:
        verdict = decide(radius, options._replace(seconds=seconds))
        if verdict.witness is None:
            return verdict, math.inf
        change = verdict.witness.astype("float64").reshape(1, -1) - center
        return verdict, float(distance(change, norm)[0])

    search = Search(whole, math.ceil(reach) if whole else reach)
    first = float(math.floor(start * (1 + EDGE))) if whole else start
    return minimal(decided, first, search, options.seconds)


def minimal(decide: Decide, start: float, search: Search, seconds: float) -> Verdict:
    """Search for the smallest change that fulfils a property.

    Args:
        decide: decides a radius.
        start: the radius to begin with.
        search: what is known.
        seconds: time limit.

    Returns:
        The verdict at the radius `start`, with `radius` as the bounds that were reached and the
        witness of the upper one.
    """
    began = time.perf_counter()
    radius: float | None = start
    first = None
    while radius is not None:
        remaining = seconds - (time.perf_counter() - began)
        if remaining <= 0:
            break
        share = FIRST_SHARE if math.isinf(search.high) else SHARE
        verdict, change = decide(radius, remaining * share)
        first = first or verdict
        search.learn(radius, verdict, change)
        radius = search.next()
    return _at(start, first or Verdict("timeout", 0.0), search, time.perf_counter() - began)


def _at(radius: float, first: Verdict, search: Search, seconds: float) -> Verdict:
    """Return what is known at a radius after the search."""
    status = first.status
    if search.high <= radius:
        status = SAT
    elif search.low >= radius:
        status = UNSAT
    bounds = (search.low, search.high)
    return Verdict(status, seconds, first.cases, search.witness, first.note, bounds, search.proved)
