"""What is imported where the processes of a sweep are forked from, and that Ctrl-C is not for these."""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)

import brnn.__main__  # noqa: E402
import brnn.imports  # noqa: E402, F401
