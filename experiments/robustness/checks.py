"""How often each check of `brnn.robustness.trust` fires: on plain float nets, and on nets that mask something.

Command    python -m experiments.robustness.checks [seeds]; MNIST as of `dataset=mnist`, 300 images of each seed
Output     Markdown: of how many seeds a reason was given, for PGD of 40 steps at epsilon 0.1
"""

import re
import sys
from collections import Counter
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import brnn.cli.train  # noqa: F401 (puts the sweeper where Hydra finds it)
from brnn import paths
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.data.pixels import to_pixels
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.robustness import probes, trust
from brnn.training import build


@tf.custom_gradient
def killed(x):
    """`x`, without a gradient."""
    return x, tf.zeros_like


PLAIN, BINARY, BIT = (
    ["precision=full"],
    ["precision=binarynet", "estimator=ste"],
    ["topology.binary_input=true"],
)
CANARIES = {  # how a net is made, and what is done to it
    "plain float": (PLAIN, lambda net, x: net(x)),
    "no gradient": (PLAIN, lambda net, x: net(killed(x))),
    "logits x 100": (PLAIN, lambda net, x: 100.0 * net(x)),
    "probabilities": (PLAIN, lambda net, x: tf.nn.softmax(net(x))),
    "random logits": (PLAIN, lambda net, x: net(x) + tf.random.uniform((10,))),
    "float, one-bit input": (PLAIN + BIT, lambda net, x: net(x)),
    "binary": (BINARY, lambda net, x: net(x)),
    "binary, one-bit input": (BINARY + BIT, lambda net, x: net(x)),
}


def configured(*overrides: str) -> dict:
    """A configuration of `topology=simple epochs=3` on MNIST."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", ["epochs=3", *overrides]), resolve=True)


def trained(options: dict, data) -> tuple[keras.Model, keras.Model]:
    """The net of a configuration, and the same with the identity estimator in its backward pass."""
    program, task = build.program(options, task_of(data)), task_of(data)
    for _ in build.epochs(program, options, data):
        pass
    weights = program.manager.weights()
    return tuple(
        models.model_with_weights(options, task, estimator, weights)
        for estimator in ("trained", "identity")
    )


def reasons(net, identity, x, labels, seed: int) -> set[str]:
    """What the checks say of PGD on a net, without the numbers."""
    option = groups.option("attack", "pgd") | {"source": None}
    moved = perturbed(groups.function("attack", option, []), net, x, labels, seed)
    broken = np.argmax(net(moved), -1) != labels
    nothing = np.zeros(len(x), bool)
    subject = probes.Subject(option, x, labels, moved, broken, nothing, nothing, None)
    return {
        re.sub(r"\d+(\.\d+)?", "#", reason.text)
        for reason in trust.check(net, net, identity, subject, seed)[1]
    }


def main(seeds: int) -> None:
    """Prints the table."""
    data = groups.function("dataset", configured()["dataset"], [])()
    counts = {name: Counter() for name in CANARIES}
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(len(data.test[1]))[: trust.IMAGES]
        x, labels = np.asarray(to_pixels(data.test[0][rows])), data.test[1][rows]
        for name, (overrides, mask) in CANARIES.items():
            pair = trained(configured(*overrides, f"seed={seed}"), data)
            counts[name].update(reasons(*(partial(mask, net) for net in pair), x, labels, seed))
    print("| reason | " + " | ".join(counts) + " |\n" + "|---" * (1 + len(counts)) + "|")
    for reason in sorted(set().union(*counts.values())):
        print(
            f"| {reason} | "
            + " | ".join(f"{count[reason]} of {seeds}" for count in counts.values())
            + " |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
