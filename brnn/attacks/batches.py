"""Compiled attacks on batches of any length."""

import json
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from brnn.contracts import Net, OnProgress

ATTACK_BATCH = 500
KEPT = 32  # compiled attacks


def perturbed(
    attack: partial,
    net: Net,
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
    on_progress: OnProgress | None = None,
    label: str = "",
) -> np.ndarray:
    """Return all images under an attack; the same bits for the same seed.

    Args:
        attack: fulfils `brnn.contracts.Attack`, with its keys bound.
        net: images to logits, differentiable where the attack needs that.
        images: pixels (n, *d) in [0, 1], float32.
        labels: classes (n,).
        seed: decides, with the number of the batch, every random choice.
        on_progress: called before each batch and at the end, with `label`.
        label: shown with the progress.
    """
    run, batches = compiled(attack, net, images, labels), []
    for number, start in enumerate(range(0, len(images), ATTACK_BATCH)):
        if on_progress:
            on_progress(label, start / len(images))
        rows = slice(start, start + ATTACK_BATCH)
        batches.append(run(images[rows], labels[rows], seed, number))
    if on_progress:
        on_progress(label, 1.0)
    return np.concatenate(batches)


def compiled(
    attack: partial, net: Net, images: np.ndarray, labels: np.ndarray
) -> Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]:
    """Return `(images, labels, seed, number of the batch) -> images` for batches like these.

    It is compiled once for the same attack on the same net, whatever weights the net then has.

    Args:
        attack: fulfils `brnn.contracts.Attack`, with its keys bound.
        net: images to logits.
        images: of the shape (any, *d) of the batches.
        labels: of their type.
    """
    graph = _graph(attack.func, json.dumps(attack.keywords), net, images.shape[1:], labels.dtype)
    return lambda x, labels, seed, number: graph(
        *map(tf.constant, (x, labels, [seed, number]))
    ).numpy()


@lru_cache(maxsize=KEPT)
def _graph(attack: Callable, keywords: str, net: Net, shape: tuple, labels: np.dtype) -> Callable:
    batch = (
        tf.TensorSpec((None, *shape)),
        tf.TensorSpec((None,), labels),
        tf.TensorSpec((2,), tf.int32),
    )
    keys = json.loads(keywords)

    def run(x, labels, numbers):
        return attack(net, x, labels, numbers, **keys)

    return tf.function(run, batch, autograph=False).get_concrete_function()
