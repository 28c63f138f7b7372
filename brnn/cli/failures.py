"""Errors and signals as one line and an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

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
    except KeyboardInterrupt as interrupt:
        lines.error(stopped)
        sys.exit(128 + (interrupt.args or (signal.SIGINT,))[0])
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has enough
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            sys.stderr.write(masked(traceback.format_exc()))
            sys.exit(code)
        from brnn.cli.messages import message  # which imports Hydra

        lines.error(message(error))
        sys.exit(code)


def interrupt(number: int, _: object) -> None:
    """Handle a signal as Python handles Ctrl-C."""
    raise KeyboardInterrupt(number)
