"""Kills a run at random moments until it ends: python -m experiments.reliability.killed [runs]."""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.reliability.measured import begin, describe

EPOCHS = 30


def main(runs: int) -> None:
    """Prints of each run how often it was killed and when, and whether it ended as one that was left alone."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        begin(Path(folder, "alone"), f"epochs={EPOCHS}").communicate()
        seconds = time.monotonic() - began
        expected, same, kills = describe(Path(folder, "alone")), 0, 0
        print(f"left alone: {seconds:.1f} s, {len(expected)} runs")
        for seed in range(runs):
            place, rng, moments = Path(folder, str(seed)), random.Random(seed), []
            while True:
                process = begin(place, f"epochs={EPOCHS}")
                moments.append(rng.uniform(0.2, 1.2) * seconds)
                try:
                    process.communicate(timeout=moments[-1])
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
            found = describe(place)
            same, kills = same + (found == expected), kills + len(moments) - 1
            told = ", ".join(f"{moment:.1f}" for moment in moments[:-1])
            print(
                f"run {seed}: killed after {told or 'no'} s; the same: {found == expected}",
                flush=True,
            )
    print(
        f"{kills} kills; {same} of {runs} runs ended with the same weights and metrics, one run each, nothing twice"
    )
    sys.exit(same != runs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or [20]))
