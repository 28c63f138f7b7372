"""How long `attack=exact` takes on binary nets of 784-100-10, of grey pixels and of one-bit pixels.

Command    python -m experiments.proof.exact_speed [images] [seconds] [epsilon ...]
           (8 images, at most 10 s for each, epsilon 0.102 0.03 0.01)
Needs      the full MNIST in $BRNN_DATA/mnist
Output     Markdown: how many images are certified, broken and undecided, and the seconds of all,
           without the example of an attack, which decides most images at once
"""

import json

import numpy as np

from brnn.config import groups
from brnn.data.load import load
from brnn.data.pixels import to_pixels
from brnn.nets.models import model_with_weights
from brnn.nets.task import task_of
from brnn.proof.decide import SAT, UNSAT
from experiments.commands import arguments
from experiments.nets import configuration, trained_program

NET = ["topology=simple", "topology.width=100", "estimator=ste", "epochs=5"]
PIXELS = {"grey": [], "one bit": ["topology.binary_input=true"]}


def main(images: int, seconds: float, epsilons: tuple[str, ...]) -> None:
    """Train the nets, decide the first test images, and print a table."""
    print("| pixels | epsilon | certified | broken | undecided | seconds |\n|" + "---|" * 6)
    for pixels, overrides in PIXELS.items():
        options = configuration([*NET, *overrides])
        data, _ = load(json.dumps(options["dataset"]), ())
        weights = trained_program(options, data).manager.weights()
        model = model_with_weights(options, task_of(data), "identity", weights)
        x, y = np.asarray(to_pixels(data.test[0][:images])), data.test[1][:images]
        for epsilon in epsilons:
            option = groups.option("attack", "exact")
            option |= {"epsilon": float(epsilon), "seconds": seconds}
            verdicts = list(groups.function("attack", option, [])(model, x, y, x, lambda *_: None))
            safe, broken = (sum(v.status == s for v in verdicts) for s in (UNSAT, SAT))
            counts = f"{safe} | {broken} | {images - safe - broken}"
            taken = sum(verdict.seconds for verdict in verdicts)
            print(f"| {pixels} | {epsilon} | {counts} | {taken:.1f} |", flush=True)


if __name__ == "__main__":
    main(*arguments(str(__doc__), images=8, seconds=10.0, epsilons=("0.102", "0.03", "0.01")))
