"""Ctrl-C and SIGTERM: requests to stop, which no library can lose.

A handler runs between any two instructions, so that its KeyboardInterrupt may be raised inside a
library that ignores it, or makes another error of it. The request is therefore kept: long work
raises it again by `check`, and an error after it is taken for the stop that was asked for.
"""

import signal
import sys
from types import FrameType

_received: list[int] = []


def handle() -> None:
    """Handle SIGTERM and Ctrl-C in this process by a KeyboardInterrupt; call it in the main thread.

    Ctrl-C stays ignored where it is. Python no longer reports interruptions that it cannot raise.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a job of a background shell
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _report


def received() -> int | None:
    """Return the number of the signal that asked this process to stop, if any has."""
    return _received[-1] if _received else None


def check() -> None:
    """Raise the request to stop again, if there was one.

    Raises:
        KeyboardInterrupt: a signal has asked this process to stop.
    """
    if _received:
        raise KeyboardInterrupt(_received[-1])


def _report(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print an error that Python has to ignore, unless it is a request to stop, which is kept."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt(number)
