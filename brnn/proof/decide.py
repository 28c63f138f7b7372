"""Whether a property of a net has a counterexample."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from brnn.contracts import OnProgress
from brnn.errors import ProgramSizeError
from brnn.proof import trial, worker
from brnn.proof.cases import Network
from brnn.proof.hints import hints
from brnn.proof.integer_net import IntegerNet
from brnn.proof.vnnlib import Case, Property

SAT, UNSAT, UNKNOWN, TIMEOUT = "sat", "unsat", "unknown", "timeout"
METHODS = ("interval", "tried", "lp", "integer")  # that exclude cases
SHOWN = 3  # open cases, whose bounds a note states
MOST_CUTS = 50  # of an L2 ball, for one program
NEAR_WHOLE = 1e-5  # above the tolerance of solvers for whole numbers, 1e-6
FIRST_SECONDS = 20.0  # for each case, before those that are left share the rest

Run = Callable[[np.ndarray], np.ndarray]
"""The logits (b, c) of the net itself, in float32, for inputs (b, ...)."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a property.

    Args:
        status: `sat`, `unsat`, `unknown` or `timeout`.
        seconds: that it took.
        cases: how many cases were excluded by `interval` bounds, by inputs that were all `tried`,
            by `lp` relaxations and by `integer` programs, and how many are `open`.
        witness: the counterexample, in float32, if there is one.
        note: what prevented a verdict; empty if nothing did.
        radius: of a search for the smallest change: no counterexample lies within the first, the
            witness at the second (infinity without one); None without a search.
        proved: whether no smaller change than the second is possible or, where radii are real, none
            that is smaller by a factor of 1.1.
    """

    status: str
    seconds: float
    cases: dict[str, int] = field(default_factory=dict)
    witness: np.ndarray | None = None
    note: str = ""
    radius: tuple[float, float] | None = None
    proved: bool = False


class Options(NamedTuple):
    """How a property is decided.

    Attributes:
        whole: whether inputs are whole numbers only.
        exactly: whether a counterexample must be one in exact arithmetic too, not only for the net.
        solver: of the integer programs, `highs` or `cp_sat`.
        seconds: time limit.
    """

    whole: bool
    exactly: bool
    solver: str
    seconds: float


def decide(
    net: IntegerNet, given: Property, run: Run, options: Options, on_progress: OnProgress
) -> Verdict:
    """Decide whether an input of a box fulfils one of the cases of a property.

    Tried in this order: the center of the box, interval bounds, all whole inputs if they are few,
    steps along a gradient, relaxations, integer programs; what relaxations and programs find is
    tried as a counterexample. Where rounding in float32 may have moved a sum across a threshold, a
    program without such inputs is solved as well.

    `sat` comes with an input for which `run` fulfils a case, and perhaps the net in whole numbers
    too. `unsat` holds for every input of the box, in exact arithmetic and in float32.

    Args:
        net: the net.
        given: the property.
        run: evaluates the net itself, to confirm counterexamples.
        options: how it is decided.
        on_progress: called with what is being done, and the share of cases that are excluded.

    Raises:
        ConfigError: `cp_sat` is to solve a program with real variables.
        SolverError: the solver refuses a program, or its process has ended.

    References:
        Tjeng, Xiao and Tedrake 2019, arXiv:1711.07356; of binarized nets Khalil, Gupta and Dilkina
        2019, arXiv:1810.03538.
    """
    return _Search(net, given, run, options, on_progress).verdict()


class _Search:
    """The cases of a property that are still open."""

    def __init__(
        self,
        net: IntegerNet,
        given: Property,
        run: Run,
        options: Options,
        on_progress: OnProgress,
    ):
        self.net, self.given, self.run, self.options = net, given, run, options
        self.began = time.perf_counter()
        self.end = self.began + options.seconds
        self.on_progress = on_progress
        self.low, self.high = given.box(options.whole)
        sizes = np.maximum(np.abs(self.low), np.abs(self.high))
        self.grid = 1.0 if options.whole else net.grid(sizes)
        self.excluded = dict.fromkeys(METHODS, 0)
        self.note = ""
        self.witness: np.ndarray | None = None
        self.leads: dict[Case, float] = {}  # upper bounds of larger minus smaller

    def verdict(self) -> Verdict:
        """Return the verdict, within the time limit."""
        if (self.low > self.high).any():
            return self._result(UNSAT)
        try:
            remaining = self._by_integers(self._by_relaxations())
            if remaining and self._seconds_left() and self._all_tried(at_first=False):
                self._exclude("tried", len(remaining))
                remaining = []
        except ProgramSizeError as error:
            remaining = [(-math.inf, case) for case in self.given.cases]
            self.note = str(error)
            self._try(hints(self.net, self.given, self.low, self.high))
        if self.witness is not None:
            return replace(self._result(SAT), witness=self.witness)
        if not remaining:
            return self._result(UNSAT)
        if time.perf_counter() < self.end:
            return replace(self._result(UNKNOWN), note=self.note)
        return replace(self._result(TIMEOUT), note=self._bounds(remaining) or self.note)

    def _bounds(self, remaining: list[tuple[float, Case]]) -> str:
        """Return in words by how much outputs lead at most, of the first open cases."""
        known = [(case[0], self.leads[case]) for _, case in remaining if case in self.leads]
        return "; ".join(
            f"output {part.larger} leads {part.smaller} by at most about {lead:.4g}"
            for part, lead in known[:SHOWN]
        )

    def _result(self, status: str) -> Verdict:
        counts = self.excluded | {"open": len(self.given.cases) - sum(self.excluded.values())}
        return Verdict(status, time.perf_counter() - self.began, counts)

    def _by_relaxations(self) -> list[tuple[float, Case]]:
        """Return the cases that bounds and relaxations leave open, and their bounds."""
        self._try(self.given.center(self.options.whole)[None])
        if self.witness is not None:
            return []
        self.network = self._network(self.net)
        possible = [case for case in self.given.cases if self.network.is_possible(case)]
        self._exclude("interval", len(self.given.cases) - len(possible))
        if possible and self._all_tried(at_first=True):
            self._exclude("tried", len(possible))
            return []
        if possible and self._seconds_left():
            self._try(hints(self.net, self.given, self.low, self.high))
        remaining = []
        for case in possible:
            seconds = self._seconds_left()
            slack = self._solve(self.network, case, False, seconds) if seconds else -math.inf
            if slack > 0:
                self._exclude("lp")
            else:
                remaining.append((slack, case))
        return sorted(remaining)

    def _all_tried(self, at_first: bool) -> bool:
        """Return whether inputs are whole and few, and none may be a counterexample.

        Those that may be one, also by the rounding of float32, are tried.
        """
        if not self.options.whole:
            return False
        reaches, box = self.network.reaches, (self.low, self.high)
        batches = trial.candidates(self.net, reaches, self.given, *box, at_first)
        excluded = batches is not None
        for batch in batches or ():
            if len(batch):
                excluded = False
                self._try(batch)
            if not self._seconds_left():
                return False
        return excluded

    def _by_integers(self, remaining: list[tuple[float, Case]]) -> list[tuple[float, Case]]:
        """Return the cases that integer programs leave open.

        Each case has a first share of the time, then those that are left have equal ones.
        """
        for share in (FIRST_SECONDS, math.inf):
            later = []
            for number, (bound, case) in enumerate(remaining):
                seconds = min(share, self._seconds_left() / (len(remaining) - number))
                if not seconds or not self._excluded(case, seconds):
                    later.append((bound, case))
            remaining = later
        return remaining

    def _excluded(self, case: Case, seconds: float) -> bool:
        """Return whether an integer program has no solution."""
        outputs = " and ".join(f"{part.larger} above {part.smaller}" for part in case)
        self.on_progress(f"output {outputs}", self._share())
        end = time.perf_counter() + seconds
        if self._solve(self.network, case, True, seconds) > 0:
            self._exclude("integer")
            return True
        if time.perf_counter() < end and self._seconds_left():
            self._sure(case)
        return False

    def _sure(self, case: Case) -> None:
        """Look for a counterexample whose sums no rounding changes."""
        for ties in (True, False):
            layers = tuple(layer.sure(self._snap(), ties) for layer in self.net.hidden)
            net = replace(self.net, hidden=layers)
            network = self._network(net, sure=True)
            if network.is_possible(case) and self._seconds_left():
                self._solve(network, case, True, self._seconds_left())
        self.note = "the programs have solutions, but each depends on the rounding of float32"

    def _network(self, net: IntegerNet, sure: bool = False) -> Network:
        return Network(net, self.low, self.high, self.options.whole, self.given.ball, sure)

    def _solve(self, network: Network, case: Case, integers: bool, seconds: float) -> float:
        """Return by how much all inputs miss a case at least, and try the solution.

        A solution outside of an L2 ball is cut off, and the program solved again.
        """
        end = time.perf_counter() + seconds
        solver = self.options.solver if integers else "relaxation"
        for _ in range(MOST_CUTS):
            problem = network.problem(case)
            minimum = worker.solve(solver, problem, max(end - time.perf_counter(), 0.01))
            slack = minimum.bound - problem.limit
            lead = 0.0 - minimum.bound * problem.unit
            if lead < self.leads.get(case, math.inf) and not network.sure:
                self.leads[case] = lead
            if minimum.values is None or slack > 0:
                break
            x = (self.low + self.high) / 2 if network.ball is None else network.ball.center.copy()
            x[problem.pixels] = self.low[problem.pixels] + minimum.values[: len(problem.pixels)]
            self._try(x[None])
            ball = network.ball
            if ball is None or ball.norm != "l2" or ball.contains(x[None])[0]:
                break
            if time.perf_counter() > end:
                break
            network.cut_off(x)
        return slack

    def _try(self, batch: np.ndarray) -> None:
        """Keep a counterexample among the inputs of the grid next to those of a batch (b, k)."""
        images = self.given.on_grid(batch, self.grid, self.options.whole).astype("float32")
        inside = ((images >= self.given.low) & (images <= self.given.high)).all(axis=1)
        if self.given.ball:
            inside &= self.given.ball.contains(images)
        if self.options.whole:
            inside &= (images == np.rint(images)).all(axis=1)
        images = images[inside]
        images = images.reshape(-1, *self.net.shape)
        if self.options.exactly and len(images):
            images = images[self.given.holds(self.net.logits(images))]
        broken = self.given.holds(self.run(images)) if len(images) else np.zeros(0, bool)
        if broken.any():
            self.witness = images[broken.argmax()]
        elif self.options.exactly and len(images):
            self.note = "a counterexample in exact arithmetic is none in float32"

    def _snap(self) -> float:
        """Return a margin: no sum moves by as much when an input moves to the grid."""
        moved = NEAR_WHOLE if self.options.whole else self.grid
        return moved * 2.0 ** math.ceil(math.log2(self.net.slope() or 1.0))

    def _exclude(self, kind: str, count: int = 1) -> None:
        self.excluded[kind] += count
        self.on_progress(kind, self._share())

    def _share(self) -> float:
        return sum(self.excluded.values()) / len(self.given.cases)

    def _seconds_left(self) -> float:
        """Return the seconds that are left, 0 once there is a counterexample."""
        return 0.0 if self.witness is not None else max(self.end - time.perf_counter(), 0.0)
