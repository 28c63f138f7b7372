"""`brnn import`: a net from a file, as a run that is measured, attacked and tracked."""

import json
import shlex
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from brnn.cli import failures
from brnn.cli.arguments import is_override, parse
from brnn.config.environment import check_keras
from brnn.config.model_file import NETS, is_keras, is_net
from brnn.errors import ConfigError

EXAMPLE = "brnn import net.onnx dataset=mnist attack=fgsm"
STOPPED = "stopped; the same command repeats the import"
DEFAULTS = ("epochs=0", "topology=keras")


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn import",
        usage="brnn import FILE [key=value …]",
        description="Read the net of a file, and measure, attack and track it as a run.",
        epilog=f"keys: those of a training, by default {' '.join(DEFAULTS)}; init.black and"
        f" init.white are what a black and a white pixel are to the net\n\nexample:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument("words", nargs="*", metavar="FILE", help=f"a file {', '.join(NETS)}")
    return result


def main(arguments: list[str]) -> None:
    """Make a run of a net, and print its measures."""
    with failures.in_one_line(STOPPED):
        words = parse(parser(), arguments).words
        files = [word for word in words if not is_override(word)]
        if len(files) != 1 or not is_net(files[0]):
            got = " and ".join(files) or "none"
            raise ConfigError(
                f"brnn import needs one file of {', '.join(NETS)}, got {got}; try: {EXAMPLE}"
            )
        path = Path(files[0]).expanduser()
        if not path.is_file():
            raise ConfigError(f"{files[0]} is not a file")
        check_keras()
        options = _options(path, [word for word in words if is_override(word)])
        from brnn.cli.job import run_job

        command = f"brnn import {shlex.join(words)}"
        run_job(options, None, (), lambda epoch, metrics: True, command)


def _options(path: Path, overrides: list[str]) -> dict[str, Any]:
    """Return the configuration of the run: the net of a file and what the command line chooses."""
    from brnn.cli.train import composed

    precision = [] if is_keras(path) else ["precision=custom"]
    options = composed([*DEFAULTS, *precision, *overrides])
    options["init"] = options["init"] | {"from": str(path)}
    from brnn.cli.startup import run  # noqa: F401  imports TensorFlow without its messages
    from brnn.data.load import load
    from brnn.exchange.files import configured

    data, _ = load(json.dumps(options["dataset"]), tuple(options["plugins"]))
    return configured(path, options, data)[0]
