"""How often each check of `brnn.trust` fires: on plain float nets, and on nets that mask something.

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

from brnn import config, nets, tasks, trust
from brnn.robustness import perturbed


@tf.custom_gradient
def killed(x):
    """`x`, without a gradient."""
    return x, tf.zeros_like


def one_bit(x):
    """Pixels of 0 or 1, with the identity as backward pass."""
    return x + tf.stop_gradient(tf.round(x) - x)


CANARIES = {
    "plain float": lambda net, x: net(x),
    "no gradient": lambda net, x: net(killed(x)),
    "logits x 100": lambda net, x: 100.0 * net(x),
    "one-bit input": lambda net, x: net(one_bit(x)),
    "probabilities": lambda net, x: tf.nn.softmax(net(x)),
    "random logits": lambda net, x: net(x) + tf.random.uniform((10,)),
}


def configured() -> dict:
    """The configuration of `topology=simple precision=full epochs=3` on MNIST."""
    with initialize_config_dir(str(config.folder()), version_base="1.3"):
        return OmegaConf.to_container(compose("config", ["precision=full", "epochs=3"]), resolve=True)


def trained(options: dict, data) -> keras.Model:
    """The net of a configuration."""
    program = nets.program(options, tasks.of(data))
    for _ in nets.epochs(program, options, data):
        pass
    return nets.twin(options, tasks.of(data), "trained", program.manager.weights())


def reasons(net, plain, x, labels, seed: int) -> set[str]:
    """What the checks say of PGD on a net, without the numbers; `plain` is the net without its mask."""
    own = {key: value for key, value in config.option("attack", "pgd").items() if key != "defaults"}
    option = own | {"source": None}
    moved = perturbed(config.function("attack", option, []), net, x, labels, seed)
    broken = np.argmax(net(moved), -1) != labels
    nothing = np.zeros(len(x), bool)
    subject = trust.Subject(option, x, labels, moved, broken, nothing, nothing, None)
    return {re.sub(r"\d+(\.\d+)?", "#", text) for text in trust.check(net, net, plain, subject, seed)[1]}


def main(seeds: int) -> None:
    """Prints the table."""
    options = configured()
    data = config.function("dataset", options["dataset"], [])()
    counts = {name: Counter() for name in CANARIES}
    for seed in range(seeds):
        model = trained(options | {"seed": seed}, data)
        rows = np.random.default_rng(seed).permutation(len(data.test[1]))[: trust.IMAGES]
        x, labels = (part[rows] for part in data.test)
        for name, mask in CANARIES.items():
            counts[name].update(reasons(partial(mask, model), model, x, labels, seed))
    print("| reason | " + " | ".join(counts) + " |\n" + "|---" * (1 + len(counts)) + "|")
    for reason in sorted(set().union(*counts.values())):
        print(f"| {reason} | " + " | ".join(f"{count[reason]} of {seeds}" for count in counts.values()) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
