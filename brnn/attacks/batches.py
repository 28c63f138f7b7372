"""Compiled attacks on batches of any length."""

import json
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from brnn.attacks.parallel import Traced, results, traced
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
        on_progress: called with `label` at the beginning and after each batch.
        label: shown with the progress.
    """
    run = compiled(attack, net, images, labels)
    starts = range(0, len(images), ATTACK_BATCH)
    parts = [slice(start, start + ATTACK_BATCH) for start in starts]
    calls = [
        (run, (images[rows], labels[rows], [seed, number])) for number, rows in enumerate(parts)
    ]
    moved = np.empty_like(images)  # filled batch by batch, since images take much of the memory
    if on_progress:
        on_progress(label, 0.0)
    for rows, batch in zip(parts, results(calls), strict=True):
        moved[rows] = batch
        if on_progress:
            on_progress(label, min(1.0, rows.stop / len(images)))
    return moved


def compiled(attack: partial, net: Net, images: np.ndarray, labels: np.ndarray) -> Traced:
    """Return `(images, labels, [seed, number of the batch]) -> images` for batches like these.

    It is traced once for the same attack on the same net, whatever weights the net then has.

    Args:
        attack: fulfils `brnn.contracts.Attack`, with its keys bound.
        net: images to logits.
        images: of the shape (any, *d) of the batches.
        labels: of their type.
    """
    keys = json.dumps(attack.keywords)
    return _compiled(attack.func, keys, net, images.shape[1:], labels.dtype)


@lru_cache(maxsize=KEPT)
def _compiled(attack: Callable, keywords: str, net: Net, shape: tuple, labels: np.dtype) -> Traced:
    batch = (
        tf.TensorSpec((None, *shape)),
        tf.TensorSpec((None,), labels),
        tf.TensorSpec((2,), tf.int32),
    )
    keys = json.loads(keywords)
    return traced(lambda x, labels, numbers: attack(net, x, labels, numbers, **keys), batch)
