"""The entry point: choose the command, and end with one line where it fails."""

from brnn.cli import leave  # first, so that its atexit handler runs last

# isort: split
import importlib
import os
import sys

import brnn
from brnn import signals
from brnn.cli import failures
from brnn.cli.commands import COMMANDS, module
from brnn.terminal import stderr


def main() -> None:
    """Run the command line of this process."""
    signals.handle()
    stderr.plain_warnings()
    _add_current_folder()
    with leave.without_teardown(), failures.in_one_line("stopped"):
        arguments = sys.argv[1:]
        if "--version" in arguments:
            print(f"brnn {brnn.__version__}")
        elif arguments and arguments[0] in COMMANDS:
            importlib.import_module(module(arguments[0])).main(arguments[1:])
        else:
            importlib.import_module("brnn.cli.train").main(arguments)


def _add_current_folder() -> None:
    """Put the current folder on Python's path for plugins, as `python -m brnn` does."""
    if os.getcwd() not in sys.path and not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
