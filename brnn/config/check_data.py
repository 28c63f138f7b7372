"""The check of a configuration against its data, once they are loaded and before training."""

from typing import TYPE_CHECKING, Any

from brnn.config import groups
from brnn.config.annealing import check_steps
from brnn.config.maps import check_images
from brnn.config.objective import objectives
from brnn.errors import ConfigError

if TYPE_CHECKING:
    from brnn.data.dataset import Data


def check_data(options: dict[str, Any], data: "Data") -> None:
    """Check that data serve a configuration.

    Raises:
        ConfigError: the data do not fill a batch, give fewer steps than a key is annealed over, do
            not fit the topology, are not pixels and classes for an attack or images for an
            augmentation, or lack a character of the prompt or the split of the objective.
    """
    check_images(options["topology"], data.train[0].shape[1:])
    rows, size = len(data.train[0]), options["batch_size"]
    if size > rows:
        raise ConfigError(f"batch_size must be at most {rows}, the training rows, got {size}")
    check_steps("estimator", options["estimator"], options["epochs"] * (rows // size))
    for key in objectives(options, len(data.validation[0]) > 0):
        if key.startswith("validation/") and not len(data.validation[0]):
            raise ConfigError(f"objective={key} needs validation data, which the data set lacks")
    for key, harmless in (("attack", "none"), ("training", "standard")):
        if options[key]["name"] != harmless:
            _check_pixels(f"{key}={groups.label(options[key])}", f"{key}={harmless}", data)
    _check_augmentation(options["augmentation"], data)
    if data.tokens is not None:
        check_prompt(options["sample"]["prompt"], data.tokens)


def _check_pixels(choice: str, remedy: str, data: "Data") -> None:
    """Check that data are what an attack changes: pixels in [0, 1], each image of one class."""
    for x, y in (data.train, data.test):
        if y.ndim != 1 or x.dtype.kind not in "uf" or not len(x):
            raise ConfigError(
                f"{choice} needs images with one class each, got {x.dtype} {x.shape} with labels"
                f" {y.dtype} {y.shape}; use {remedy}"
            )
        if x.dtype.kind == "f" and not (x.min() >= 0 and x.max() <= 1):
            raise ConfigError(
                f"{choice} needs pixels in [0, 1], got values from {x.min():g} to {x.max():g};"
                f" use {remedy}, or data in [0, 1]"
            )


def _check_augmentation(augmentation: dict[str, Any], data: "Data") -> None:
    """Check that the data are images with one class each, and larger than every change."""
    x, y = data.train
    for key, pixels in augmentation.items():
        if pixels and (x.ndim not in (3, 4) or y.ndim != 1 or y.dtype.kind == "f"):
            raise ConfigError(
                f"augmentation.{key} needs images (n, height, width) or (n, height, width,"
                f" channels) with one class each, got {x.shape} with labels {y.dtype} {y.shape}"
            )
        if pixels and pixels >= (size := min(x.shape[1:3])):
            raise ConfigError(
                f"augmentation.{key} must be below {size}, the shorter side of the images, got"
                f" {pixels}"
            )


def check_prompt(prompt: str, alphabet: str) -> None:
    """Check that a net knows the characters of a prompt.

    Raises:
        ConfigError: it does not know one.
    """
    if unknown := sorted(set(prompt) - set(alphabet)):
        raise ConfigError(
            f"sample.prompt must be of the characters {alphabet!r}, got {unknown[0]!r}"
        )
