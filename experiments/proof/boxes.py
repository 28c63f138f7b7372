"""The boxes of VNN-COMP at hand: which are decided, how fast, with how many open units.

Command    python -m experiments.proof.boxes [seconds]     (at most 10 s for each)
Needs      instances.csv with its nets and properties, of the benchmark
           traffic_signs_recognition_2023, in $BRNN_DATA/vnncomp
Output     Markdown, by the half width of the boxes in grey levels
"""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from brnn.proof import instances, onnx_reader, vnnlib
from brnn.proof.box import open_units
from brnn.proof.decide import SAT, UNSAT, Options, decide
from brnn.proof.runtime import Runtime
from experiments.commands import arguments

LARGEST = 255.0


def main(seconds: float) -> None:
    """Decide all boxes, and print a table."""
    folder = Path(os.environ["BRNN_DATA"]) / "vnncomp"
    rows = instances.read(folder / "instances.csv")
    models = {name: onnx_reader.load(folder / name) for name in {row.net for row in rows}}
    nets = {n: onnx_reader.read(model, LARGEST, whole=False) for n, model in models.items()}
    runtimes = {name: Runtime(model) for name, model in models.items()}
    options = Options(whole=False, exactly=True, solver="highs", seconds=seconds)
    results = defaultdict(list)
    for row in rows:
        net, given = nets[row.net], vnnlib.read(folder / row.property)
        verdict = decide(net, given, runtimes[row.net].logits, options, lambda *_: None)
        units = open_units(net, given.low, given.high)
        size = round(float((given.high - given.low).max()) / 2, 6)
        results[size].append(
            (verdict.status == UNSAT, verdict.status == SAT, units, verdict.seconds)
        )
    print("| box | boxes | unsat | sat | undecided | open units | seconds |\n|" + "---|" * 7)
    for size, values in sorted(results.items()):
        unsat, sat, units, taken = np.array(values, "float64").T
        proved, broken, count = int(unsat.sum()), int(sat.sum()), len(values)
        counts = f"{count} | {proved} | {broken} | {count - proved - broken}"
        print(f"| ±{size:g} | {counts} | {units.mean():,.0f} | {taken.mean():.1f} |", flush=True)


if __name__ == "__main__":
    main(*arguments(str(__doc__), seconds=10.0))
