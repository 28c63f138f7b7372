"""What libraries write to stderr while they are imported."""

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from brnn.terminal.lines import warning
from brnn.terminal.relay import Relay

_STDERR = threading.RLock()  # held while a file replaces stderr


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what other languages write to stderr; show it if the block fails, as an import may."""
    with _STDERR, tempfile.TemporaryFile() as hidden:
        stderr = os.dup(2)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(stderr, hidden.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@cache
def keep_stderr() -> None:
    """Let Python write to a copy of stderr, so that `quiet` hides no line of another thread."""
    if isinstance(sys.stderr, Relay):
        return
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")


def plain_warnings() -> None:
    """Print Python's warnings by `warning`; hide TensorFlow's about functions traced anew."""
    warnings.showwarning = lambda message, *_, **__: warning(str(message))
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
