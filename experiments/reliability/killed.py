"""Kill a run at random moments until it ends, and compare it with an undisturbed one.

Command    python -m experiments.reliability.killed [runs]     (20 runs)
Output     when each run was killed, and whether it ended the same
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.commands import arguments
from experiments.reliability.measured import read_runs, start

EPOCHS = 30


def main(runs: int) -> None:
    """Print the results; the exit code is 1 if a run ended differently."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Path(folder, "undisturbed")
        began = time.monotonic()
        start(undisturbed, f"epochs={EPOCHS}").communicate()
        seconds = time.monotonic() - began
        expected, same, kills = read_runs(undisturbed), 0, 0
        print(f"undisturbed: {seconds:.1f} s, {len(expected)} runs")
        for seed in range(runs):
            moments = _kill_until_it_ends(Path(folder, str(seed)), seed, seconds)
            equal = read_runs(Path(folder, str(seed))) == expected
            same, kills = same + equal, kills + len(moments)
            shown = ", ".join(f"{moment:.1f}" for moment in moments)
            print(f"run {seed}: killed after {shown or 'no'} s; the same: {equal}", flush=True)
    print(
        f"{kills} kills; {same} of {runs} runs ended with the same weights and metrics,"
        " one run each, nothing twice"
    )
    sys.exit(same != runs)


def _kill_until_it_ends(folder: Path, seed: int, seconds: float) -> list[float]:
    """Start a run again and again; return after how many seconds each start was killed.

    Args:
        folder: of the run.
        seed: decides the moments.
        seconds: the time of an undisturbed run; a start is killed after 0.2 to 1.2 of it.
    """
    rng, moments = random.Random(seed), []
    while True:
        process, moment = start(folder, f"epochs={EPOCHS}"), rng.uniform(0.2, 1.2) * seconds
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            moments.append(moment)
        else:
            return moments


if __name__ == "__main__":
    main(*arguments(__doc__, runs=20))
