"""Measures of a net on text."""

import math

import numpy as np


def per_character(metrics: dict[str, float]) -> dict[str, float]:
    """What a cross-entropy in nats per character is in bits, and as the perplexity, for each split that has one."""
    losses = {
        key.removesuffix("loss"): value for key, value in metrics.items() if key.endswith("/loss")
    }
    bits = {f"{split}bits_per_character": loss / math.log(2) for split, loss in losses.items()}
    with np.errstate(over="ignore"):  # infinite, then
        return bits | {f"{split}perplexity": float(np.exp(loss)) for split, loss in losses.items()}
