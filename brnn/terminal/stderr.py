"""What libraries write to stderr while they are imported."""

import logging
import os
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager
from functools import cache

from brnn.terminal.lines import warning

_STDERR = threading.RLock()  # held by whoever has put a file in its place


@contextmanager
def quiet():
    """Keeps what TensorFlow writes to stderr as it starts, and shows it only where the import fails."""
    with _STDERR, tempfile.TemporaryFile() as kept:
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@cache
def keep_stderr() -> None:
    """Lets Python write to a copy of stderr, so that what one thread keeps `quiet` is not what another has to say."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")


def plain_warnings() -> None:
    """Makes Python's warnings lines of `warning`; TensorFlow's, that a sweep traces each net anew, are left out."""
    warnings.showwarning = lambda message, *_, **__: warning(str(message))
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
