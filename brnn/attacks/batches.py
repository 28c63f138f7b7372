"""Running an attack over many images, in compiled batches."""

import json
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from brnn.contracts import OnProgress

ATTACK_BATCH = 500


def perturbed(
    attack: Callable,
    net: Callable,
    images,
    labels,
    seed: int,
    on_progress: OnProgress | None = None,
    what: str = "",
) -> np.ndarray:
    """All `images` under an attack, in batches; the same bits for the same seed."""
    run, done = compiled(attack, net, images, labels), []
    for number, start in enumerate(range(0, len(images), ATTACK_BATCH)):
        if on_progress:
            on_progress(what, start / len(images))
        rows = slice(start, start + ATTACK_BATCH)
        done.append(run(images[rows], labels[rows], seed, number))
    if on_progress:
        on_progress(what, 1.0)
    return np.concatenate(done)


def compiled(attack: partial, net: Callable, images, labels) -> Callable:
    """An attack on batches like `images` and `labels`, of any length: `(x, labels, seed, number) -> x`.

    It is compiled once for the same attack on the same net, whatever weights that has by then.
    """
    graph = _graph(attack.func, json.dumps(attack.keywords), net, images.shape[1:], labels.dtype)
    return lambda x, labels, seed, number: graph(
        *map(tf.constant, (x, labels, [seed, number]))
    ).numpy()


@lru_cache(maxsize=32)
def _graph(
    attack: Callable, keywords: str, net: Callable, shape: tuple, labels: np.dtype
) -> Callable:
    batch = (
        tf.TensorSpec((None, *shape)),
        tf.TensorSpec((None,), labels),
        tf.TensorSpec((2,), tf.int32),
    )
    keys = json.loads(keywords)

    def run(x, labels, numbers):
        return attack(net, x, labels, numbers, **keys)

    return tf.function(run, batch, autograph=False).get_concrete_function()
