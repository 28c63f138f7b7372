"""Kill a sweep of 24 jobs three times with all its processes, and start it again.

Command    python -m experiments.reliability.sweep [launcher]     (basic; or processes)
Output     how many children finished, and how many epochs were trained more than once
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from experiments.commands import arguments
from experiments.reliability.measured import read_runs, start, summary

EPOCHS = 20
SWEEP = [
    "seed=range(8)",
    "estimator=ste,identity,chernoff",
    f"epochs={EPOCHS}",
    "attack=none",
    "--multirun",
]


def main(launcher: str) -> None:
    """Print the results; the exit code is 1 if a job did not finish once."""
    overrides = [*SWEEP, f"hydra/launcher={launcher}"]
    with tempfile.TemporaryDirectory() as name:
        folder, trained = Path(name), 0
        for kill in (60, 150, 130, None):  # epochs of each start after which it is killed
            process, epochs = start(folder, *overrides), 0
            for line in process.stdout:
                epochs += f"/{EPOCHS}  loss" in line
                if epochs == kill:
                    os.killpg(process.pid, signal.SIGKILL)
                    break
            _, errors = process.communicate()
            trained += epochs
            states = sorted(run.status for run in read_runs(folder))
            ended = f"after {epochs} epochs, exit code {process.returncode}: {states}"
            print(ended, errors[-200:], flush=True)
        runs = read_runs(folder)
    children, finished, duplicates = summary(runs)
    print(
        f"{finished} of {children} children finished, {len(runs) - children} parent,"
        f" {duplicates} values twice"
    )
    print(f"{trained} epochs trained for {24 * EPOCHS}: {trained - 24 * EPOCHS} of them again")
    sys.exit(finished != 24 or len(runs) != 25 or duplicates > 0)


if __name__ == "__main__":
    main(*arguments(__doc__, launcher="basic"))
