"""Attacks on whole NumPy arrays, without a configuration."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from brnn.attacks import batches
from brnn.config import groups, signatures
from brnn.config.attack_options import members
from brnn.config.check_keys import check_keys
from brnn.contracts import Net
from brnn.data.pixels import to_pixels
from brnn.errors import DataError


@cache
def on_arrays(name: str) -> Callable[..., np.ndarray]:
    """Return an attack as a function of whole arrays: `attack(net, x, y, seed=0, **keys)`.

    Its docstring is that of the attack, and its signature has the defaults of
    `conf/attack/<name>.yaml`.
    """
    option = groups.option("attack", name)
    attack = groups.function("attack", option, [])

    def run(net: Net, x: Any, y: Any, *, seed: int = 0, **keys: Any) -> np.ndarray:
        images, labels = checked_arrays(x, y)
        given = option | plain(keys)
        check_keys(f"attacks.{name}", groups.arguments(given), _parameters(option))
        members(given | {"source": None}, [])
        bound = groups.function("attack", given, [])
        return batches.perturbed(bound, net, images, labels, seed)

    run.__name__, run.__qualname__, run.__module__ = name, name, "brnn.attacks"
    run.__doc__ = attack.func.__doc__
    run.__signature__ = _signature(run, option)  # type: ignore[attr-defined]
    return run


def checked_arrays(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return images as float32 in [0, 1] and labels as int32 (n,).

    Args:
        x: (n, *d), floats in [0, 1] or bytes.
        y: whole numbers (n,) or (n, 1).

    Raises:
        DataError: they are neither, or do not match.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"x must hold bytes, or floats in [0, 1], got {x.dtype}")
    if not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"y must hold whole numbers, got {y.dtype}")
    if x.ndim < 2 or not len(x) or y.shape not in ((len(x),), (len(x), 1)):
        raise DataError(
            f"x must have the shape (n, ...), and y (n,) or (n, 1), with n at least 1,"
            f" got {x.shape} and {y.shape}"
        )
    images = np.asarray(to_pixels(x)).astype("float32")
    if not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"x must lie in [0, 1], or hold bytes, got values from {x.min():g} to {x.max():g}"
        )
    if y.min() < 0:
        raise DataError(f"y must hold classes from 0 up, got {y.min()}")
    return images, y.reshape(-1).astype("int32")


def plain(keys: dict[str, Any]) -> dict[str, Any]:
    """Return keys with NumPy's scalars as Python's, as configurations hold them."""
    return {
        key: value.item() if isinstance(value, np.generic) else value for key, value in keys.items()
    }


def _parameters(option: dict[str, Any]) -> dict[str, Any]:
    return signatures.parameters(*groups.locate("attack", option["name"], []))


def _signature(run: Callable, option: dict[str, Any]) -> inspect.Signature:
    fixed = [p for p in inspect.signature(run).parameters.values() if p.name != "keys"]
    keys = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=option[key])
        for key in _parameters(option)
    ]
    return inspect.Signature([*fixed, *keys], return_annotation=np.ndarray)
