"""Checks of what a program is made of, before the first step."""

from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.contracts import Loss
from brnn.errors import BrnnError, ConfigError


def per_label(loss: Loss | keras.losses.Loss) -> Loss:
    """Return a loss that gives one value per label; a loss object of Keras would take the mean."""
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def check_model(model: keras.Model) -> None:
    """Check that a model maps one input to one output, and its further inputs, states, to states.

    Raises:
        ConfigError: it does not.
    """
    inputs, outputs = (list(getattr(model, key, [None])) for key in ("inputs", "outputs"))
    states, next_states = ([tuple(s.shape) for s in side[1:]] for side in (inputs, outputs))
    if states != next_states:
        raise ConfigError(
            f"{model.name} must have one input and one output, and for each further input, a"
            f" recurrent state, an output of its shape; it has {len(inputs)} inputs and"
            f" {len(outputs)} outputs, beyond the first of shapes {states} and {next_states}"
        )


def check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    """Check that an optimizer changes nothing but the latent weights, at a rate that can be set.

    Raises:
        ConfigError: it averages weights, or its learning rate is a schedule.
    """
    if optimizer.use_ema:
        raise ConfigError(
            f"{optimizer.name} has use_ema=True, but Keras' averages do not reach the levels; use"
            " use_ema=False, and optimizer.averaging or Program(updates=Updates(averaging=…))"
        )
    if isinstance(optimizer.get_config()["learning_rate"], dict):
        raise ConfigError(
            f"the learning rate of {optimizer.name} is a schedule, but the rates are those that"
            " the training loop is given; leave the optimizer's learning rate a number"
        )


def check_loss(loss: Loss, y: np.ndarray, outputs: int | None) -> None:
    """Check that a loss gives one value per label.

    Args:
        loss: of labels and outputs.
        y: int32 classes (n,) or (n, steps), or float32 values (n, ..., width).
        outputs: width of the net's output; nothing is checked where it is not known.

    Raises:
        ConfigError: it gives values of another shape, or does not take such labels.
    """
    if outputs is None:
        return
    rows = 3 if outputs == 2 else 2  # not the width, so that no broadcast passes unseen
    is_regression = y.dtype.kind == "f"
    labels = np.zeros((rows, *y.shape[1:]), y.dtype)
    wanted = labels.shape[:-1] if is_regression else labels.shape
    name = getattr(loss, "__name__", type(loss).__name__)
    try:
        shape = tuple(loss(ops.convert_to_tensor(labels), ops.zeros((*wanted, outputs))).shape)
    except BrnnError:
        raise
    except Exception as error:  # a loss may be any function
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"the loss {name} does not take labels {y.dtype} {labels.shape} for outputs"
            f" {(*wanted, outputs)}: {reason}"
        ) from error
    if shape != wanted:
        raise ConfigError(
            f"the loss {name} must give one value per label, of shape {wanted} for labels"
            f" {y.dtype} {labels.shape} and outputs {(*wanted, outputs)}, got shape {shape}"
        )


def output_width(model: Any) -> int | None:
    """Return the last axis of a model's first output; None where it is known only in a call."""
    outputs = getattr(model, "outputs", None)
    return outputs[0].shape[-1] if outputs else None
