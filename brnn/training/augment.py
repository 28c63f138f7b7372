"""Augmentation: the images of a training step, changed at random."""

from collections.abc import Callable
from functools import partial
from typing import Any

from brnn.config.ranges import Natural
from brnn.contracts import Array, Loss, Net, Noise, Regime
from brnn.training import transforms


def augmentation(
    regime: Regime, *, shift: Natural, pad_and_crop: Natural, flip: bool, cutout: Natural
) -> Regime:
    """Return a regime whose steps see changed images; without a change, the regime itself.

    The changes are those of `brnn.training.transforms`, in this order. An attack of the regime
    starts from the changed images, and its budget stays in units of pixels.

    Args:
        regime: the loss of a training step.
        shift: largest distance along each axis, in pixels; 0 for none.
        pad_and_crop: zeros around the images from which a window is cut, in pixels; 0 for none.
        flip: whether half of the images are mirrored left to right.
        cutout: side of a black square, in pixels; 0 for none.
    """
    wanted: list[tuple[int, Callable[[Array, Noise], Array]]] = [
        (shift, partial(transforms.shift, pixels=shift)),
        (pad_and_crop, partial(transforms.pad_and_crop, pixels=pad_and_crop)),
        (flip, transforms.flip),
        (cutout, partial(transforms.cutout, pixels=cutout)),
    ]
    changes = [change for is_wanted, change in wanted if is_wanted]

    def augmented(
        call: Callable[[Array], tuple[Array, Any]],
        net: Net,
        loss: Loss,
        x: Array,
        labels: Array,
        noise: Noise,
    ) -> tuple[Array, Array, Any]:
        for change in changes:
            x = change(x, noise)
        return regime(call, net, loss, x, labels, noise)

    return augmented if changes else regime
