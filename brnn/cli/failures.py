"""Errors and signals as one line and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from brnn import signals
from brnn.errors import TRACEBACK
from brnn.paths import masked
from brnn.terminal import lines


@contextmanager
def in_one_line(stopped: str, code: int = 1) -> Iterator[None]:
    """End the process where the block fails: one line on stderr, and an exit code.

    With the environment variable BRNN_TRACEBACK the traceback of an error is printed.

    Args:
        stopped: the line after Ctrl-C or SIGTERM, whose exit code is that of the signal.
        code: the exit code of an error.
    """
    try:
        yield
    except KeyboardInterrupt:
        _stop(signals.received() or signal.SIGINT, stopped)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has enough
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        if number := signals.received():
            _stop(number, stopped)
        if os.environ.get(TRACEBACK):
            sys.stderr.write(masked(traceback.format_exc()))
            sys.exit(code)
        from brnn.cli.messages import message  # which imports Hydra

        lines.error(message(error))
        sys.exit(code)


def _stop(number: int, stopped: str) -> NoReturn:
    lines.error(stopped)
    sys.exit(128 + number)
