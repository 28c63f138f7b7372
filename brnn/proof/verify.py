"""Properties of nets in files: what `brnn verify` answers."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from brnn.config.ranges import NonNegative, Positive
from brnn.contracts import OnProgress
from brnn.errors import DataError
from brnn.proof import cp_sat, images, programs, subjects, vnnlib
from brnn.proof.ball import Norm
from brnn.proof.decide import METHODS, SAT, UNKNOWN, UNSAT, Options, Verdict, decide
from brnn.proof.integer_net import IntegerNet
from brnn.proof.minimal import smallest_change
from brnn.proof.subjects import Subject
from brnn.proof.vnnlib import Property


class Question(NamedTuple):
    """The question whether another class is at least as large near an image.

    Attributes:
        image: a file of NumPy (.npy) or a picture, in the shape of the net's input.
        label: its class.
        epsilon: the budget, in the unit of the pixels; in L0 a number of pixels.
        norm: of the budget.
        largest: pixel; the least is 0.
        minimal: whether the smallest budget with a counterexample is sought.
    """

    image: Path
    label: int
    epsilon: float
    norm: Norm
    largest: float
    minimal: bool = False

    @property
    def bound(self) -> float:
        """Bound on the absolute value of a pixel."""
        return self.largest

    def of(self, shape: tuple[int, ...], classes: int) -> Property:
        """Return the property of a net; see `center` and `near`."""
        return self.near(self.center(shape), self.epsilon, classes)

    def near(self, x: np.ndarray, epsilon: float, classes: int) -> Property:
        """Return the property that an image within a budget has another class.

        Args:
            x: (k,) the image itself.
            epsilon: the budget.
            classes: the number of classes.

        Raises:
            DataError: there is no such class as the label.
        """
        if not 0 <= self.label < classes:
            raise DataError(
                f"--label must be a class of the net, 0 to {classes - 1}, got {self.label}"
            )
        cases = vnnlib.other_class(self.label, classes)
        return vnnlib.property_near(x, self.norm, epsilon, self.largest, cases)

    def center(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the pixels (k,) of the image.

        Args:
            shape: of the net's input.

        Raises:
            DataError: the file cannot be read, or a pixel is outside of the range.
        """
        x = images.read(self.image, shape)
        if not ((x >= 0) & (x <= self.largest)).all():
            raise DataError(
                f"{self.image} has pixels from {x.min():g} to {x.max():g};"
                f" largest={self.largest:g} allows 0 to {self.largest:g}"
            )
        return x


def verify(
    net: Path | Subject,
    spec: Path | Question,
    on_progress: OnProgress,
    *,
    seconds: Positive,
    solver: Literal["highs", "cp_sat"],
    pixels: Literal["real", "whole"],
    divisor: Positive,
    variance_epsilon: NonNegative | None,
    program: str | None,
) -> tuple[Verdict, str]:
    """Decide a property of a net.

    Args:
        net: its file, or itself.
        spec: a file of VNN-LIB, or a question about an image.
        on_progress: called with what is being done, and the share of it that is done.
        seconds: time limit.
        solver: of the integer programs: `highs`, or `cp_sat` of OR-Tools.
        pixels: whether inputs are all values of the box, or whole numbers alone.
        divisor: of pixels, which gives the input of a net of Keras or ONNX.
        variance_epsilon: of the batch normalizations of an archive of bnn-verification.
        program: a file for the programs of the cases that bounds leave open, in place of solving
            them.

    Returns:
        The verdict, and the text of VNN-COMP's result file.

    Raises:
        ConfigError: a package or `variance_epsilon` is missing, the solver cannot decide about such
            pixels, or the format of `program` cannot state the numbers.
        DataError: the net or the property is not supported, or they do not fit.
        SolverError: the solver refuses a program, or its process has ended.
    """
    cp_sat.check_solver("", solver, pixels)
    whole = pixels == "whole"
    question = spec if isinstance(spec, Question) else vnnlib.read(spec)
    if isinstance(net, Path):
        net = subjects.load(net, divisor, variance_epsilon)
    integer_net = net.integers(question.bound, whole)
    given = question.of(net.shape, len(integer_net.last.shift))
    _check_sizes(net, given, integer_net)
    if whole and isinstance(question, Question) and (question.minimal or given.ball):
        center = question.center(net.shape)
        if (center != np.rint(center)).any():
            reason = f"in {question.norm}" if given.ball else "with --minimal"
            raise DataError(
                f"the image must have whole pixels {reason} where pixels=whole; its values have"
                " fractions"
            )
    options = Options(whole, exactly=True, solver=solver, seconds=seconds)
    if program is not None:
        verdict = _written(integer_net, given, whole, Path(program))
    elif isinstance(question, Question) and question.minimal:
        verdict = _smallest(net, integer_net, question, options, on_progress)
    else:
        verdict = decide(integer_net, given, net.logits, options, on_progress)
    return verdict, _result(verdict, net)


def _written(net: IntegerNet, given: Property, whole: bool, path: Path) -> Verdict:
    """Return the verdict by bounds alone, after the programs of the other cases are written."""
    began, files = time.perf_counter(), programs.write(net, given, whole, path)
    excluded = {"interval": len(given.cases) - len(files), "open": len(files)}
    counts = dict.fromkeys(METHODS, 0) | excluded
    names = f"{files[0].name} to {files[-1].name}" if files else ""
    note = f"{len(files)} programs are written and not solved: {names}" if files else ""
    return Verdict(UNKNOWN if files else UNSAT, time.perf_counter() - began, counts, None, note)


def _smallest(
    net: Subject,
    integer_net: IntegerNet,
    question: Question,
    options: Options,
    on_progress: OnProgress,
) -> Verdict:
    """Return the verdict on a question, with bounds on the smallest budget."""
    x, classes = question.center(net.shape), len(integer_net.last.shift)
    itself = question._replace(norm="linf").near(x, 0.0, classes)
    verdict = decide(integer_net, itself, net.logits, options, on_progress)
    if verdict.status == SAT:
        return replace(verdict, radius=(0.0, 0.0), proved=True)

    def within(radius: float, limited: Options) -> Verdict:
        given = question.near(x, radius, classes)
        return decide(integer_net, given, net.logits, limited, on_progress)

    return smallest_change(within, x, question.norm, question.largest, question.epsilon, options)


def _check_sizes(net: Subject, given: Property, integer_net: IntegerNet) -> None:
    sizes = int(np.prod(integer_net.shape)), len(integer_net.last.shift)
    for what, stated, actual in zip(
        ("inputs", "outputs"), (len(given.low), given.outputs), sizes, strict=True
    ):
        if stated != actual:
            raise DataError(f"the property has {stated:,} {what}, {net.name} has {actual:,}")


def _result(verdict: Verdict, net: Subject) -> str:
    """Return the answer and, after `sat`, the counterexample and what the net makes of it."""
    if verdict.witness is None:
        return f"{verdict.status}\n"
    outputs = net.outputs(verdict.witness[None])[0]
    pairs = [f"(X_{i} {value!r})" for i, value in enumerate(verdict.witness.ravel().tolist())]
    pairs += [f"(Y_{i} {value!r})" for i, value in enumerate(outputs.tolist())]
    return f"{verdict.status}\n({chr(10).join(pairs)})\n"
