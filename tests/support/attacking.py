"""Attacks by name on small nets."""

import numpy as np
import tensorflow as tf

from brnn.attacks.batches import perturbed
from brnn.config import groups

OPTIONS = {
    "fgsm": {"clip": True},
    "bim": {},
    "pgd": {"restarts": 2},
    "mim": {},
    "apgd": {"iterations": 30},
    "pgd_plus_plus": {},
    "deepfool": {},
    "cw_l2": {"iterations": 60},
    "noise": {},
    "square": {"queries": 200},
    "spsa": {"samples": 16},
    "hopskipjump": {"iterations": 8, "samples": 20},
}


STRONG = ["fgsm", "bim", "pgd", "mim", "apgd", "deepfool", "cw_l2"]


BOTH = [name for name in OPTIONS if "norm" in groups.option("attack", name)]


TARGETED = [name for name in OPTIONS if "targeted" in groups.option("attack", name)]


def run(name, net, x, labels, seed=0, **keys):
    option = (
        {k: v for k, v in groups.option("attack", name).items() if k != "defaults"}
        | OPTIONS[name]
        | keys
    )
    return perturbed(groups.function("attack", option, []), net, x, labels, seed)


def linear(weights):
    """A net of one image row to logits, whose gradient is known."""
    matrix = tf.constant(weights, tf.float32)
    return lambda x: tf.reshape(x, (-1, matrix.shape[0])) @ matrix


def broken(model, x, labels):
    return np.mean(np.argmax(model(x), -1) != labels)


def norms(change, norm):
    flat = np.reshape(change, (len(change), -1))
    return np.abs(flat).max(axis=1) if norm == "linf" else np.linalg.norm(flat, axis=1)
