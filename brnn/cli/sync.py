"""Sends what a tracking server could not take to it, now that it is back: `brnn sync [checkpoints]`."""

import argparse
import sys
from pathlib import Path

from brnn.errors import TrackingError
from brnn.terminal import lines, stderr


def main(arguments: list[str]) -> None:
    """Delivers all spools of a folder, and says of each how many records it had.

    The exit code is 1 if any stays, or if a server refused anything.
    """
    with stderr.quiet():
        from brnn.tracking import records
    parser = argparse.ArgumentParser(prog="brnn sync", description=__doc__)
    parser.add_argument(
        "checkpoints", nargs="?", default="checkpoints", help="the folder of that key"
    )
    folder = parser.parse_args(arguments).checkpoints
    spools = sorted(Path(folder).glob("*.jsonl"))
    failed = False
    for spool in spools:
        try:
            lines.note(f"{spool}: {records.deliver(spool)} records delivered")
        except TrackingError as error:
            failed = True
            lines.error(f"{spool}: {error}")
    for path in sorted(Path(folder).glob("*.refused")):
        failed = True
        lines.error(
            f"{path} holds what a server refused; it is sent again if its name ends in .jsonl"
        )
    if not spools:
        lines.note(f"nothing waits in {folder}")
    sys.exit(int(failed))
