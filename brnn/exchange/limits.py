"""Checks that a format can hold a net; their errors name the layer that it cannot hold."""

import numpy as np

from brnn.errors import ConfigError
from brnn.exchange.net import Layer, Net

FEW = 16  # levels of weights that an error counts


def check_no_states(net: Net, name: str) -> None:
    """Check that a net has no recurrent layer.

    Raises:
        ConfigError: a layer is one.
    """
    for layer in net.layers:
        if layer.recurrence:
            raise ConfigError(
                f"format={name} holds no recurrent layers, and {layer.name} is one; formats that"
                " hold it: c"
            )


def check_whole(net: Net, name: str, others: str) -> None:
    """Check that a net computes in whole numbers up to its logits.

    Args:
        net: the net.
        name: of the format that needs it.
        others: formats that hold other nets too.

    Raises:
        ConfigError: a layer has real inputs, weights or activations.
    """
    for layer in net.layers:
        if reason := _not_whole(layer, layer is net.layers[-1]):
            raise ConfigError(
                f"format={name} needs bytes or levels as inputs, weights of two or three levels and"
                f" quantized activations, but {layer.name} {reason}; formats that hold it: {others}"
            )


def _not_whole(layer: Layer, is_last: bool) -> str:
    """Return why a layer does not compute in whole numbers, or nothing."""
    if not layer.coded:
        columns = layer.kernel.reshape(-1, layer.units).T
        count = max(len(np.unique(column)) for column in columns)
        few = 3 < count <= min(FEW, layer.products // 2)
        return f"has weights of {count} levels" if few else "has real weights"
    if layer.reach == 0:
        return "has real inputs"
    if not is_last and layer.threshold is None:
        return f"has the activation {layer.activation}"
    return ""


def check_unit_levels(net: Net, name: str, others: str) -> None:
    """Check that hidden layers read -1, 0 and +1 alone, which are exact in 8 bits.

    Args:
        net: the net.
        name: of the format that needs it.
        others: formats that hold other nets too.

    Raises:
        ConfigError: a layer reads other values.
    """
    for previous, layer in zip(net.layers, net.layers[1:], strict=False):
        pads = (layer.window.pad_value,) if layer.window.padded else ()
        if other := [value for value in (*previous.values, *pads) if abs(value) > 1]:
            raise ConfigError(
                f"format={name} holds layers that read -1, 0 and +1, but {layer.name} also reads"
                f" {other[0]:g}; formats that hold it: {others}"
            )
