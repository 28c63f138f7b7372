"""How many images per second FGSM and PGD-40 attack here, in ART and in Foolbox, side by side on the same nets.

Command    python -m experiments.attack_speed [rounds]     (5 rounds)
Needs      pip install brnn[attacks]; the digits that come with brnn, no network; about 20 minutes
Output     one line per net and library: robust accuracy, images per second, and how many times faster brnn is.
           The libraries take turns within a round, so that a busy machine slows them all; the median of the rounds
           counts. Compiling is not counted for any of them. ART's batches are its default and larger ones, on other
           nets than simple the one that was the fastest there.
"""

import os
import sys
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import foolbox
import keras
import numpy as np
import tensorflow as tf
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentTensorFlowV2
from art.estimators.classification import TensorFlowV2Classifier

from brnn.attacks.batches import ATTACK_BATCH, compiled
from brnn.config import groups
from brnn.data import dataset, sources
from brnn.nets import models
from brnn.nets.task import Task
from brnn.training import build
from experiments.speed import configuration, in_turn

TASK = Task((28, 28), 10)
EPSILON, STEP, STEPS = 0.1, 0.01, 40
ART_DEFAULT, ART_BEST = 32, 1000
NETS = {
    "simple, full": ["precision=full"],
    "simple, binarynet, identity": ["precision=binarynet", "estimator=identity"],
    "simple, binarynet, ste": ["precision=binarynet", "estimator=ste"],
    "simple, batch normalization, full": ["precision=full", "topology.batch_normalization=true"],
    "deep, full": ["precision=full", "topology=deep"],
    "GRU, full": ["precision=full", "topology=gru", "dataset=mnist_rows"],
}


def net(overrides: list[str], data) -> keras.Model:
    """The discretized net after 8 epochs."""
    options = configuration(
        ["loss=cross_entropy", "epochs=8", "batch_size=50", "schedule=constant", *overrides]
    )
    program = build.program(options, TASK)
    for _ in build.epochs(program, options, data):
        pass
    return models.model_with_weights(options, TASK, "trained", program.manager.weights())


def ours(model, x, labels, name: str, **keys):
    """Our attack, in the batches of `attack=…`."""
    option = {k: v for k, v in groups.option("attack", name).items() if k != "defaults"}
    run = compiled(
        groups.function("attack", option | {"epsilon": EPSILON} | keys, []), model, x, labels
    )
    starts = range(0, len(x), ATTACK_BATCH)
    return lambda: np.concatenate(
        [run(x[s : s + ATTACK_BATCH], labels[s : s + ATTACK_BATCH], 0, s) for s in starts]
    )


def art(model, x, labels, iterations: int, batch: int):
    """ART's TensorFlow 2 version, which is its fastest."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier = TensorFlowV2Classifier(
        model, 10, x.shape[1:], loss_object=loss, clip_values=(0, 1)
    )
    if iterations == 1:
        attack = FastGradientMethod(classifier, eps=EPSILON, batch_size=batch)
    else:
        keys = {
            "eps": EPSILON,
            "eps_step": STEP,
            "max_iter": iterations,
            "num_random_init": 1,
            "verbose": False,
        }
        attack = ProjectedGradientDescentTensorFlowV2(classifier, batch_size=batch, **keys)
    return lambda: attack.generate(x, labels)


def of_foolbox(model, x, labels, iterations: int):
    """Foolbox, all images at once."""
    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    single, many = foolbox.attacks.LinfFastGradientAttack(), foolbox.attacks.LinfPGD
    attack = single if iterations == 1 else many(steps=iterations, abs_stepsize=STEP)
    images, classes = tf.constant(x), tf.constant(labels, tf.int64)
    return lambda: attack(wrapped, images, classes, epsilons=EPSILON)[1].numpy()


def compare(title: str, runs: dict, labels, model, rounds: int) -> None:
    """Prints what each of `runs` leaves and how fast it is."""
    robust = {name: np.mean(np.argmax(model(run()), -1) == labels) for name, run in runs.items()}
    seconds = in_turn(runs, rounds)
    mine = [name for name in runs if name.startswith("brnn")]
    print(f"\n{title}, epsilon {EPSILON}, {len(labels)} images, {rounds} rounds")
    print(
        f"{'':24}{'robust':>8}{'images/s':>10}"
        + "".join(f"{f'{name} is x faster':>34}" for name in mine)
    )
    for name, times in seconds.items():
        ratios = "".join(f"{median(times) / median(seconds[own]):34.1f}" for own in mine)
        print(
            f"{name:24}{robust[name]:8.3f}{len(labels) / median(times):10.0f}{ratios}", flush=True
        )


def main() -> None:
    """Trains the nets and prints the tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    x, y, x_test, y_test = sources.embedded_digits()
    train, test = (
        ((a / 255).astype("float32"), b.astype("int32")) for a, b in ((x, y), (x_test, y_test))
    )
    data = dataset.Data(train, (test[0][:0], test[1][:0]), test, 10, "embedded")
    for title, overrides in NETS.items():
        model = net(overrides, data)
        batches = (ART_DEFAULT, 250, ART_BEST) if title.startswith("simple") else (ART_BEST,)
        walk = {"step": STEP / EPSILON, "iterations": STEPS}
        many = {
            "brnn": ours(model, *test, "pgd", **walk, early_stop=True),
            "brnn, all steps": ours(model, *test, "pgd", **walk, early_stop=False),
        }
        single = {"brnn": ours(model, *test, "fgsm", targeted=False, clip=True)}
        for attack, iterations, runs in (("FGSM", 1, single), (f"PGD-{STEPS}", STEPS, many)):
            runs |= {
                f"ART batch_size={size}": art(model, *test, iterations, size) for size in batches
            }
            runs["Foolbox"] = of_foolbox(model, *test, iterations)
            compare(f"{attack}, {title}", runs, test[1], model, rounds)


if __name__ == "__main__":
    main()
