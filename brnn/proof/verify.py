"""Properties of nets in files: what `brnn verify` answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np

from brnn.config.ranges import NonNegative, Positive
from brnn.errors import DataError
from brnn.proof import chainer, onnx_reader, vnnlib
from brnn.proof.decide import Verdict, decide
from brnn.proof.integer_net import IntegerNet
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Property


class Ball(NamedTuple):
    """The question whether another class is at least as large near an image, in L-inf.

    Attributes:
        image: a file of NumPy (.npy) in the shape of the net's input.
        label: its class.
        epsilon: the budget, in the unit of the pixels.
        largest: pixel; the least is 0.
    """

    image: Path
    label: int
    epsilon: float
    largest: float

    def property(self, classes: int) -> Property:
        """Return the property.

        Raises:
            DataError: the file cannot be read, a pixel is outside of the range, or the net has no
                such class.
        """
        try:
            x = np.load(self.image, allow_pickle=False).astype("float64").ravel()
        except (OSError, ValueError, EOFError, AttributeError, BadZipFile) as error:
            raise DataError(f"{self.image} is not an array of NumPy (.npy): {error}") from error
        if not ((x >= 0) & (x <= self.largest)).all():
            raise DataError(f"{self.image} has pixels outside of 0 to largest={self.largest:g}")
        if not 0 <= self.label < classes:
            raise DataError(f"--label must be below {classes}, the classes of the net")
        low, high = np.maximum(x - self.epsilon, 0), np.minimum(x + self.epsilon, self.largest)
        rivals = (rival for rival in range(classes) if rival != self.label)
        return Property(low, high, tuple(((rival, self.label),) for rival in rivals), classes)


def verify(
    net: Path,
    spec: Path | Ball,
    on_progress: Callable[[str, float], None],
    *,
    seconds: Positive,
    pixels: Literal["real", "whole"],
    variance_epsilon: NonNegative | None,
) -> tuple[Verdict, str]:
    """Decide a property of a net of ONNX, or of an archive of bnn-verification.

    Args:
        net: its file; an archive is `.npz`.
        spec: a file of VNN-LIB, or a ball.
        on_progress: called with what is being done, and the share of it that is done.
        seconds: time limit.
        pixels: whether inputs are all values of the box, or whole numbers alone.
        variance_epsilon: of the batch normalizations of an archive.

    Returns:
        The verdict, and the text of VNN-COMP's result file.

    Raises:
        DataError: the net or the property is not supported, or they do not fit.
    """
    is_archive = net.suffix == ".npz"
    model = chainer.load(net, variance_epsilon) if is_archive else onnx_reader.load(net)
    whole = pixels == "whole"
    if isinstance(spec, Ball):
        integer_net = onnx_reader.read(model, spec.largest, whole)
        given = spec.property(len(integer_net.last.shift))
    else:
        given = vnnlib.read(spec)
        largest = float(np.abs([given.low, given.high]).max(initial=0.0))
        integer_net = onnx_reader.read(model, largest, whole)
    _check_sizes(net, given, integer_net)
    runtime = Runtime(model)
    verdict = decide(
        integer_net, given, runtime.logits, whole=whole, seconds=seconds, on_progress=on_progress
    )
    return verdict, _result(verdict, runtime)


def _check_sizes(net: Path, given: Property, integer_net: IntegerNet) -> None:
    sizes = int(np.prod(integer_net.shape)), len(integer_net.last.shift)
    for what, stated, actual in zip(
        ("inputs", "outputs"), (len(given.low), given.outputs), sizes, strict=True
    ):
        if stated != actual:
            raise DataError(f"the property has {stated:,} {what}, {net} has {actual:,}")


def _result(verdict: Verdict, runtime: Runtime) -> str:
    """Return the answer and, after `sat`, the counterexample and what the net makes of it."""
    if verdict.witness is None:
        return f"{verdict.status}\n"
    outputs = runtime.outputs(verdict.witness[None])[0]
    pairs = [f"(X_{i} {value!r})" for i, value in enumerate(verdict.witness.ravel().tolist())]
    pairs += [f"(Y_{i} {value!r})" for i, value in enumerate(outputs.tolist())]
    return f"{verdict.status}\n({chr(10).join(pairs)})\n"
