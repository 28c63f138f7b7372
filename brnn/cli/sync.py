"""`brnn sync`: deliver the spools that a tracking server did not accept while it was away."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from brnn.cli.arguments import parse
from brnn.errors import TrackingError
from brnn.terminal import lines, stderr


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(prog="brnn sync", description=str(__doc__).partition(": ")[2])
    result.add_argument(
        "checkpoints", nargs="?", default="checkpoints", help="the folder of the key checkpoints"
    )
    return result


def main(arguments: list[str]) -> None:
    """Deliver all spools of a folder, and print how many records each had.

    The exit code is 1 if any spool stays, or if a server has refused a record.
    """
    folder = Path(parse(parser(), arguments).checkpoints).expanduser()
    spools = sorted(folder.glob("*.jsonl"))
    delivered = [_deliver(spool) for spool in spools]
    refused = sorted(folder.glob("*.refused"))
    for path in refused:
        lines.error(
            f"{path} holds records that a server refused; rename it to *.jsonl to send them again"
        )
    if not spools:
        lines.note(f"nothing to deliver in {folder}")
    sys.exit(int(bool(refused) or not all(delivered)))


def _deliver(spool: Path) -> bool:
    """Deliver one spool, and return whether the server accepted it."""
    with stderr.quiet():
        from brnn.tracking import delivery
    try:
        lines.note(f"{spool}: {delivery.deliver(spool)} records delivered")
    except TrackingError as error:
        lines.error(f"{spool}: {error}")
        return False
    return True
