"""Compiled attacks on batches of any length."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from brnn.contracts import Net, OnProgress
from brnn.parallel import calls_at_once, parallel

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
        on_progress: called with `label` at the beginning and after each batch.
        label: shown with the progress.
    """
    run = compiled(attack, net, images, labels)
    starts = range(0, len(images), ATTACK_BATCH)
    calls = [
        (images[start : start + ATTACK_BATCH], labels[start : start + ATTACK_BATCH], seed, number)
        for number, start in enumerate(starts)
    ]
    if on_progress:
        on_progress(label, 0.0)
    batches: list[np.ndarray] = []
    for batch in parallel(run, calls, run.at_once):
        batches.append(batch)
        if on_progress:
            on_progress(label, min(1.0, len(batches) * ATTACK_BATCH / len(images)))
    return np.concatenate(batches)


@dataclass(frozen=True)
class Compiled:
    """A compiled attack.

    Attributes:
        graph: images, labels, and seed with the number of the batch, to images.
        at_once: how many batches may be attacked at the same time.
    """

    graph: Callable
    at_once: int

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, seed: int, number: int
    ) -> np.ndarray:
        """Return the images of a batch under the attack."""
        return self.graph(*map(tf.constant, (images, labels, [seed, number]))).numpy()


def compiled(attack: partial, net: Net, images: np.ndarray, labels: np.ndarray) -> Compiled:
    """Return an attack on batches like these.

    It is compiled once for the same attack on the same net, whatever weights the net then has.

    Args:
        attack: fulfils `brnn.contracts.Attack`, with its keys bound.
        net: images to logits.
        images: of the shape (any, *d) of the batches.
        labels: of their type.
    """
    keys = json.dumps(attack.keywords)
    return _compiled(attack.func, keys, net, images.shape[1:], labels.dtype)


@lru_cache(maxsize=KEPT)
def _compiled(
    attack: Callable, keywords: str, net: Net, shape: tuple, labels: np.dtype
) -> Compiled:
    batch = (
        tf.TensorSpec((None, *shape)),
        tf.TensorSpec((None,), labels),
        tf.TensorSpec((2,), tf.int32),
    )
    keys = json.loads(keywords)

    def run(x, labels, numbers):
        return attack(net, x, labels, numbers, **keys)

    graph = tf.function(run, batch, autograph=False).get_concrete_function()
    return Compiled(graph, calls_at_once(graph.graph))
