"""Measures of a net that predicts text."""

import math

import numpy as np


def per_character(metrics: dict[str, float]) -> dict[str, float]:
    """Return the cross-entropy of each split in bits, and its perplexity.

    Args:
        metrics: of an epoch; `{split}/loss` is a cross-entropy in nats per character.

    Metrics:
        {split}/bits_per_character (bits): {split}/loss / ln 2
        {split}/perplexity (factor): exp({split}/loss); infinite where it overflows
    """
    losses = {
        key.removesuffix("loss"): value for key, value in metrics.items() if key.endswith("/loss")
    }
    bits = {f"{split}bits_per_character": loss / math.log(2) for split, loss in losses.items()}
    with np.errstate(over="ignore"):
        return bits | {f"{split}perplexity": float(np.exp(loss)) for split, loss in losses.items()}
