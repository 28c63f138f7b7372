"""Shell completion of the last word of a command line."""

import importlib
import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout, suppress

from hydra._internal.utils import get_args_parser

from brnn.cli import arguments
from brnn.cli.commands import COMMANDS, module


def query(complete_override: Callable[[], None]) -> None:
    """Print the candidates for the last word of the line in the environment variable COMP_LINE.

    Args:
        complete_override: prints the candidates for an override, by Hydra, from the same variable.
    """
    line = os.environ.get("COMP_LINE", "")
    name, *words = line.split() or ["brnn"]
    last = words.pop() if words and not line[-1].isspace() else ""
    if words and words[0] in COMMANDS:
        candidates = _keys_of_command(words[0])
    elif last.startswith("-"):
        candidates = arguments.flags(get_args_parser())
    else:
        overrides = [word for word in words if arguments.is_override(word)]
        os.environ["COMP_LINE"] = " ".join([name, *overrides, last])  # Hydra stumbles over flags
        candidates = [] if words else list(COMMANDS)
        candidates += _printed_words(complete_override)
    print("\n".join(word for word in candidates if word.startswith(last)))


def _printed_words(complete: Callable[[], None]) -> list[str]:
    """Return the words that a function prints; none where the line cannot be composed."""
    printed = io.StringIO()
    with suppress(Exception), redirect_stdout(printed):
        complete()
    return [word for word in printed.getvalue().split() if not word.endswith("_plugin")]


def _keys_of_command(command: str) -> list[str]:
    imported = importlib.import_module(module(command))
    return [f"{key}=" for key in imported.meanings()] if hasattr(imported, "meanings") else []
