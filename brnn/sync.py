"""Sends what a tracking server could not take to it, now that it is back: `python -m brnn.sync [checkpoints]`."""

import argparse
import sys
from pathlib import Path

from brnn import terminal, tracking


def main(folder: str) -> None:
    """Delivers all spools of a folder, and says of each how many records it had.

    The exit code is 1 if any stays, or if a server refused anything.
    """
    spools = sorted(Path(folder).glob("*.jsonl"))
    failed = False
    for spool in spools:
        try:
            terminal.note(f"{spool}: {tracking.deliver(spool)} records delivered")
        except tracking.TrackingError as error:
            failed = True
            terminal.error(f"{spool}: {error}")
    for path in sorted(Path(folder).glob("*.refused")):
        failed = True
        terminal.error(f"{path} holds what a server refused; it is sent again if its name ends in .jsonl")
    if not spools:
        terminal.note(f"nothing waits in {folder}")
    sys.exit(int(failed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m brnn.sync", description=__doc__)
    parser.add_argument("checkpoints", nargs="?", default="checkpoints", help="the folder of that key")
    main(parser.parse_args().checkpoints)
