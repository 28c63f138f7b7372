"""Count how often each check of `brnn.robustness.trust` objects: to plain nets, and to masked ones.

Command    python -m experiments.robustness.checks [seeds]     (5 seeds)
Needs      the full MNIST in $BRNN_DATA/mnist
Output     Markdown: for how many seeds each check gave its reason, for PGD of 40 steps at epsilon
           0.1 on 300 test images for each seed
"""

import re
from collections import Counter
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.data.pixels import to_pixels
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.robustness import probes, trust
from experiments.commands import arguments
from experiments.nets import configuration, trained_program


@tf.custom_gradient
def without_gradient(x):
    """Return `x`; its gradient is 0."""
    return x, tf.zeros_like


PLAIN, BINARY, ONE_BIT = (
    ["precision=full"],
    ["precision=binarynet", "estimator=ste"],
    ["topology.binary_input=true"],
)
CANARIES = {  # overrides of a net, and how it is called
    "plain float": (PLAIN, lambda net, x: net(x)),
    "no gradient": (PLAIN, lambda net, x: net(without_gradient(x))),
    "logits x 100": (PLAIN, lambda net, x: 100.0 * net(x)),
    "probabilities": (PLAIN, lambda net, x: tf.nn.softmax(net(x))),
    "random logits": (PLAIN, lambda net, x: net(x) + tf.random.uniform((10,))),
    "float, one-bit input": (PLAIN + ONE_BIT, lambda net, x: net(x)),
    "binary": (BINARY, lambda net, x: net(x)),
    "binary, one-bit input": (BINARY + ONE_BIT, lambda net, x: net(x)),
}


def trained_models(options: dict, data) -> list[keras.Model]:
    """Return the trained net of a configuration, and the same through the identity estimator."""
    weights = trained_program(options, data).manager.weights()
    return [
        models.model_with_weights(options, task_of(data), estimator, weights)
        for estimator in ("trained", "identity")
    ]


def reasons(net, identity, x, labels, seed: int) -> set[str]:
    """Return the reasons not to trust PGD on a net, with `#` in place of each number."""
    option = groups.option("attack", "pgd") | {"source": None}
    images = perturbed(groups.function("attack", option, []), net, x, labels, seed)
    broken = np.argmax(net(images), -1) != labels
    nothing = np.zeros(len(x), bool)
    subject = probes.Subject(option, x, labels, images, broken, *[nothing] * 3)
    return {
        re.sub(r"\d+(\.\d+)?(e-\d+)?", "#", reason.text)
        for reason in trust.check(net, net, identity, subject, seed)[1]
    }


def main(seeds: int) -> None:
    """Print the table for `topology=simple epochs=3` on MNIST."""
    data = groups.function("dataset", configuration([])["dataset"], [])()
    counts = {name: Counter() for name in CANARIES}
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(len(data.test[1]))[: trust.IMAGES]
        x, labels = np.asarray(to_pixels(data.test[0][rows])), data.test[1][rows]
        for name, (overrides, call) in CANARIES.items():
            options = configuration(["epochs=3", *overrides, f"seed={seed}"])
            nets = (partial(call, model) for model in trained_models(options, data))
            counts[name].update(reasons(*nets, x, labels, seed))
    print("| reason | " + " | ".join(counts) + " |\n" + "|---" * (1 + len(counts)) + "|")
    for reason in sorted(set().union(*counts.values())):
        cells = [f"{count[reason]} of {seeds}" for count in counts.values()]
        print(f"| {reason} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(*arguments(__doc__, seeds=5))
