"""How many images per second PGD-40 attacks here, in ART and in Foolbox, side by side on the same net.

Command    python experiments/attack_speed.py [rounds]
Needs      pip install brnn[attacks]; the digits that come with brnn, no network
Output     one line per net and library: robust accuracy, images per second, and how many times faster brnn is.
           The libraries take turns within a round, so that a busy machine slows them all; the median of the rounds
           counts. Compiling is not counted for any of them.
"""

import sys
import time
from statistics import median

import foolbox
import keras
import numpy as np
import tensorflow as tf
from art.attacks.evasion import ProjectedGradientDescentTensorFlowV2
from art.estimators.classification import TensorFlowV2Classifier

from brnn import config, datasets, files, nets, training
from brnn.robustness import ATTACK_BATCH, compiled
from brnn.tasks import Task

EPSILON, STEP, STEPS = 0.1, 0.01, 40
ART_BATCHES = (250, 1000)  # and its default of 32
GROUPS = {"topology": "simple", "loss": "cross_entropy", "optimizer": "adam", "initializer": "he_normal"}


def net(precision: str, estimator: str, data) -> keras.Model:
    """784-256-10, trained for 8 epochs."""
    options = {group: config.option(group, name) for group, name in GROUPS.items()} | {"plugins": [], "seed": 0}
    options |= {"precision": config.option("precision", precision), "estimator": config.option("estimator", estimator)}
    options |= {"bias_initializer": config.option("initializer", "binary_choice"), "compiled": False}
    options["training"] = config.option("training", "standard")
    program = nets.program(options, Task((28, 28), 10))
    rates = {"rates": lambda steps, total: np.full(len(steps), 1e-3)}
    for _ in training.fit(program, data, epochs=8, batch_size=50, seed=0, **rates):
        pass
    return nets.twin(options, Task((28, 28), 10), "trained", program.manager.discretized().get_weights())


def ours(model, x, labels, early_stop: bool):
    """Our PGD, in the batches of `attack=pgd`."""
    keys = {"epsilon": EPSILON, "step": STEP / EPSILON, "iterations": STEPS, "early_stop": early_stop}
    option = {k: v for k, v in config.option("attack", "pgd").items() if k != "defaults"} | keys
    run = compiled(config.function("attack", option, []), model, x, labels)
    starts = range(0, len(x), ATTACK_BATCH)
    return lambda: np.concatenate([run(x[s : s + ATTACK_BATCH], labels[s : s + ATTACK_BATCH], 0, s) for s in starts])


def art(model, x, labels, batch: int):
    """ART's TensorFlow 2 version, which is its fastest."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier = TensorFlowV2Classifier(model, 10, x.shape[1:], loss_object=loss, clip_values=(0, 1))
    keys = {"eps": EPSILON, "eps_step": STEP, "max_iter": STEPS, "num_random_init": 1, "verbose": False}
    attack = ProjectedGradientDescentTensorFlowV2(classifier, batch_size=batch, **keys)
    return lambda: attack.generate(x, labels)


def of_foolbox(model, x, labels):
    """Foolbox, all images at once."""
    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(steps=STEPS, abs_stepsize=STEP)
    images, classes = tf.constant(x), tf.constant(labels, tf.int64)
    return lambda: attack(wrapped, images, classes, epsilons=EPSILON)[1].numpy()


def main() -> None:
    """Trains both nets and prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    x, y, x_test, y_test = files.embedded_digits()
    train, test = (((a / 255).astype("float32"), b.astype("int32")) for a, b in ((x, y), (x_test, y_test)))
    data = datasets.Data(train, (test[0][:0], test[1][:0]), test, 10, "embedded")
    for precision, estimator in (("full", "identity"), ("binarynet", "identity"), ("binarynet", "ste")):
        model = net(precision, estimator, data)
        runs = {
            "brnn": ours(model, *test, early_stop=True),
            "brnn early_stop=false": ours(model, *test, early_stop=False),
        }
        runs |= {f"ART batch_size={size}": art(model, *test, size) for size in (32, *ART_BATCHES)}
        runs["Foolbox"] = of_foolbox(model, *test)
        robust = {name: np.mean(np.argmax(model(run()), -1) == test[1]) for name, run in runs.items()}  # compiles
        seconds = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - began)
        print(f"\n{precision}, {estimator}: PGD-{STEPS}, epsilon {EPSILON}, {len(x_test)} images, {rounds} rounds")
        print(f"{'':24}{'robust':>8}{'images/s':>10}{'brnn is x faster':>18}{'without early stop':>20}")
        for name, times in seconds.items():
            ratios = [median(times) / median(seconds[mine]) for mine in ("brnn", "brnn early_stop=false")]
            print(f"{name:24}{robust[name]:8.3f}{len(x_test) / median(times):10.0f}{ratios[0]:18.1f}{ratios[1]:20.1f}")


if __name__ == "__main__":
    main()
