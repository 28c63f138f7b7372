"""The imports of a run, in two thirds of their time and without TensorFlow's chatter.

Python's garbage collector would go through hundreds of thousands of objects again and again, all of which stay, and
Keras looks for packages that nothing here uses (so that its wrappers for scikit-learn are not there for plugins).
"""

import gc
import sys
from contextlib import contextmanager

from brnn.terminal import stderr

UNUSED = ("sklearn", "matplotlib.pyplot")  # imported by Keras where they are installed


@contextmanager
def _uncollected():
    """Leaves the garbage collector out, and what was made meanwhile out of later collections."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@contextmanager
def _without(packages: tuple[str, ...]):
    """Imports behave as if some packages were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with stderr.quiet(), _uncollected():
    with _without(UNUSED):
        import keras  # noqa: F401
    from brnn.runs.run import run  # noqa: F401
