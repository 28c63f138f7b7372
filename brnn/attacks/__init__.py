"""Attacks: adversarial inputs within a budget.

    from brnn import attacks
    adversarial = attacks.pgd(net, x, y, epsilon=0.1, seed=0)

`net` gives logits: a Keras model, a `QuantManager` or any function of TensorFlow. `x` are images
(n, …) in [0, 1] or bytes, `y` their classes (n,) or, in a targeted attack, the classes to reach.
Keys that are not given have the defaults of `conf/attack/<name>.yaml`, which states their meaning.
The result has the shape of `x`, in float32.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from brnn.config import groups
from brnn.errors import did_you_mean

if TYPE_CHECKING:
    import numpy as np

NOT_OF_BATCHES = ("brnn.attacks.ensembles", "brnn.proof.exact")


def __getattr__(name: str) -> Callable[..., "np.ndarray"]:
    """Return an attack as a function of arrays, imported on first use."""
    if name in _names():
        from brnn.attacks.arrays import on_arrays

        return on_arrays(name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}{did_you_mean(name, _names())}"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_names()})


@cache
def _names() -> tuple[str, ...]:
    """Return the attacks that map a batch to a batch."""
    located = {name: groups.option("attack", name)["name"] for name in groups.names("attack")}
    return tuple(
        name
        for name, function in located.items()
        if function != "none" and groups.locate("attack", function, [])[0] not in NOT_OF_BATCHES
    )
