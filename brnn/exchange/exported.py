"""What a format makes of a net."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Exported:
    """A net in a format.

    Attributes:
        suffix: of its file, such as `.npz`.
        content: of its file.
        runtimes: what runs `content`, by name: each maps inputs (n, *shape), bytes or real numbers
            as the data set holds them, to logits (n, classes).
        seconds: maps inputs (n, *shape) to the CPU seconds of all of them at once, by the first of
            the runtimes on one core; by C compiled for speed, one after the other; by NumPy and
            qonnx on as many cores as they use.
        beside: files beside it, by their suffixes, such as the header of a C file; nothing that is
            compared needs them.
    """

    suffix: str
    content: bytes
    runtimes: Mapping[str, Callable[[np.ndarray], np.ndarray]]
    seconds: Callable[[np.ndarray], float]
    beside: Mapping[str, bytes] = field(default_factory=dict)
