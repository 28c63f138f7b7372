"""Train, evaluate and attack a net of a configuration, as a contender of `experiments.speed`.

Command    python experiments/build_speed.py <overrides, as JSON> <rows>
           (as `experiments.speed` starts it, with another build of brnn on PYTHONPATH)
Output     for each line of the input one part, then the line `done`: `train`, an epoch of training
           on the first rows; `evaluate`, an evaluation of as many rows of the test data; `attack`,
           PGD of 40 steps on the first 1,000 images of the test data, where broken images stop
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.data.pixels import to_pixels
from brnn.nets.task import task_of
from brnn.robustness.nets import RunNets
from brnn.runs.plan import choose_replicas
from brnn.training import build, loop
from experiments.nets import configuration

ATTACKED = 1_000  # images


def main() -> None:
    """Run one part per line until the input ends."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    parts = contender(json.loads(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        parts[line.strip()]()
        print("done", flush=True)


def contender(overrides: list[str], rows: int) -> dict[str, Callable[[], object]]:
    """Return functions that train one epoch, without its evaluation, evaluate and attack a net."""
    options = configuration([*overrides, "attack=none", "epochs=100000"])
    data = groups.function("dataset", options["dataset"], [])()
    x, y = data.train
    none = (x[:0], y[:0])
    trained = replace(data, train=(x[:rows], y[:rows]), validation=none, test=none)
    program = build.program(options, task_of(data), choose_replicas(options, None))
    epochs = build.epochs(program, options, trained)
    x_test, y_test = (array[:rows] for array in data.test)
    images, labels = to_pixels(data.test[0][:ATTACKED]).numpy(), data.test[1][:ATTACKED]

    pgd = groups.function("attack", groups.option("attack", "pgd"), [])

    def attack() -> None:
        weights = program.manager.weights()
        nets = RunNets(options, data, weights, _no_surrogate, loop.no_progress)
        perturbed(pgd, nets.through("trained"), images, labels, options["seed"])

    return {
        "train": lambda: next(epochs),
        "evaluate": lambda: loop.score(program, x_test, y_test, options["batch_size"]),
        "attack": attack,
    }


def _no_surrogate(source: str) -> None:
    raise AssertionError(source)


if __name__ == "__main__":
    main()
