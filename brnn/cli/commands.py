"""The commands besides training: each is the module of this package that has its name.

A name that is a word of Python has an underscore behind it.
"""

import keyword

COMMANDS = {  # command: the words that follow it, and what it does
    "compare": ("[key=value …]", "means, intervals and tests of the last sweep, or of other runs"),
    "doctor": ("", "print what a report of a fault needs, and what would stop a run"),
    "export": ("run=<id> format=<format> [path=<file>]", "write the net for another program"),
    "import": ("FILE [key=value …]", "make a run of a net of ONNX, Larq, Keras or levels"),
    "sample": ("run=<id> [key=value …]", "generate text with the net of a run on dataset=text"),
    "sync": ("[checkpoints]", "deliver records that the tracking server has not accepted"),
    "ui": ("[key=value …]", "serve the MLflow UI on this machine, opened at the last sweep"),
    "verify": ("NET SPEC [key=value …]", "prove a property of a net in ONNX, or break it"),
}


def module(command: str) -> str:
    """Return the dotted name of the module of a command."""
    return f"brnn.cli.{command}{'_' if keyword.iskeyword(command) else ''}"
