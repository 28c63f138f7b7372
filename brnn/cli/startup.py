"""The imports of a run, in two thirds of their time and without TensorFlow's messages.

Python's garbage collector would scan hundreds of thousands of objects again and again, all of which
stay. Afterwards it runs rarely, since most of what a run creates is graphs, which stay too. Keras
imports packages that nothing here uses, so a plugin cannot use its wrappers for scikit-learn.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brnn.terminal import stderr

RARELY = (50_000, 10, 1)  # new objects, then collections of the younger ones, before a collection
UNUSED = ("sklearn", "matplotlib.pyplot")  # imported by Keras where they are installed


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector, exempt what the block creates, and let it run rarely after."""
    gc.disable()
    try:
        yield
        gc.freeze()
        gc.set_threshold(*RARELY)
    finally:
        gc.enable()


@contextmanager
def _without(packages: tuple[str, ...]) -> Iterator[None]:
    """Let imports in the block fail as if some packages were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with stderr.quiet(), _uncollected():
    with _without(UNUSED):
        import keras  # noqa: F401
    from brnn.runs.run import run  # noqa: F401
