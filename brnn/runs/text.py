"""Text that a net writes, character by character."""

import numpy as np
import tensorflow as tf

from brnn.config.ranges import Count, Natural, Positive
from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import Task


def write(
    options: dict,
    alphabet: str,
    weights: list,
    *,
    temperature: Positive,
    prompt: str,
    length: Count,
    seed: Natural,
) -> str:
    """`prompt` and `length` further characters, each drawn from softmax(logits / temperature).

    `weights` are the discretized ones of the net of a configuration. Without a prompt the net starts from the first
    character of the alphabet, which is then left out. Raises `ConfigError` for a character that the net does not know.
    """
    if unknown := sorted(set(prompt) - set(alphabet)):
        raise ConfigError(
            f"sample.prompt must be of the characters {alphabet!r}, got {unknown[0]!r}"
        )
    task = Task((1,), len(alphabet), tokens=True, per_step=True, carried=True)
    net = models.model_with_weights(options, task, "trained", weights)
    step = tf.function(lambda token, state: net([token, *state]), reduce_retracing=True)
    state = [tf.zeros((1, *one.shape[1:])) for one in net.inputs[1:]]
    rng = np.random.default_rng(seed)
    tokens = [alphabet.index(character) for character in prompt or alphabet[0]]
    for number in range(len(tokens) + length - 1):
        logits, *state = step(tf.constant([[tokens[number]]]), state)
        if number == len(tokens) - 1:
            tokens.append(_drawn(logits.numpy()[0, 0] / temperature, rng))
    return "".join(alphabet[token] for token in tokens[0 if prompt else 1 :])


def _drawn(logits, rng) -> int:
    """A number by its probability, softmax(logits)."""
    weights = np.exp(np.float64(logits) - logits.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))
