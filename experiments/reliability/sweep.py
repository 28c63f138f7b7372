"""Kills a sweep of 24 jobs three times: python -m experiments.reliability.sweep [launcher]."""

import os
import signal
import sys
import tempfile
from pathlib import Path

from experiments.reliability.measured import begin, describe

EPOCHS = 20
SWEEP = [
    "seed=range(8)",
    "estimator=ste,identity,chernoff",
    f"epochs={EPOCHS}",
    "attack=none",
    "--multirun",
]


def main(launcher: str) -> None:
    """Prints how many children finished, and how many epochs were trained more than once."""
    arguments = [*SWEEP, f"hydra/launcher={launcher}"]
    with tempfile.TemporaryDirectory() as folder:
        place, trained = Path(folder), 0
        for kill in (60, 150, 130, None):  # epochs of each start after which it is killed
            process, seen = begin(place, *arguments), 0
            for line in process.stdout:
                seen += f"/{EPOCHS}  loss" in line
                if seen == kill:
                    os.killpg(process.pid, signal.SIGKILL)
                    break
            _, errors = process.communicate()
            trained += seen
            states = [status for status, *_ in describe(place)]
            print(
                f"after {seen} epochs, exit code {process.returncode}: {sorted(states)}",
                errors[-200:],
                flush=True,
            )
        runs = describe(place)
    children = [one for one in runs if one[1]]
    finished = sum(status == "FINISHED" for status, *_ in children)
    doubled = sum(twice for _, _, twice, _ in children)
    print(
        f"{finished} of {len(children)} children finished, {len(runs) - len(children)} parent, {doubled} values twice"
    )
    print(f"{trained} epochs trained for {24 * EPOCHS}: {trained - 24 * EPOCHS} of them again")
    sys.exit(finished != 24 or len(runs) != 25 or doubled)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["basic"]))
