"""The net of a run in formats that other programs run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from brnn import writing
from brnn.config import groups
from brnn.config.ranges import Share
from brnn.data.dataset import Data
from brnn.errors import ConfigError, ExportError
from brnn.exchange.check import measures, reference
from brnn.exchange.cost import products
from brnn.exchange.levels import levels
from brnn.exchange.reading import read
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.quantization.manager import QuantManager
from brnn.training.chain import Chain


@dataclass(frozen=True)
class ExportedNet:
    """The files of a net in a format by their suffixes, and its measures by the names of metrics.

    The first file is what was compared with the net.
    """

    format: str
    files: dict[str, bytes]
    metrics: dict[str, float]


def export(
    options: dict[str, Any],
    data: Data,
    weights: list[np.ndarray],
    *,
    formats: list[str],
    tolerance: Share,
) -> Iterator[ExportedNet]:
    """Yield a net in some formats, each compared with the net on the test data.

    Args:
        options: the configuration of the net.
        data: its data set.
        weights: its discretized weights.
        formats: options of the group `format`.
        tolerance: share of the test data whose class may differ.

    Raises:
        ConfigError: a format cannot hold the net, or does not exist.
        ExportError: more classes differ.
    """
    if not formats:
        return
    model = models.model_with_weights(options, task_of(data), "trained", weights)
    precision = groups.function("precision", options["precision"], options["plugins"])()
    chain = Chain(QuantManager(model, precision.rules))  # evaluates as the run did
    x, pixels = data.test[0], data.test[0].dtype == np.uint8
    net = read(model, pixels, x.shape[1:])
    expected = reference(lambda rows: np.asarray(chain(tf.constant(rows), pixels)), net, x)
    for name in formats:
        option = groups.option("format", name)
        exported = groups.function("format", option, options["plugins"])(net)
        metrics = measures(name, exported, net, expected, tolerance)
        files = {exported.suffix: exported.content, **exported.beside}
        yield ExportedNet(name, files, metrics)


def packed_metrics(
    options: dict[str, Any], data: Data, weights: list[np.ndarray]
) -> dict[str, float]:
    """Return size and products of a net as a file, nothing where `levels` does not hold it.

    Args:
        options: the configuration of the net.
        data: its data set.
        weights: its discretized weights.

    Metrics:
        size/packed_bytes (bytes): of the net in the format `levels`; of a net that it does not hold
            all weights at their `bits_per_weight`, rounded up
    """
    model = models.model_with_weights(options, task_of(data), "trained", weights)
    try:
        net = read(model, pixels=data.test[0].dtype == np.uint8)
        return {"size/packed_bytes": len(levels(net).content)} | products(net)
    except ConfigError:
        return {}


def write(files: dict[Path, bytes]) -> None:
    """Write new files, all or none.

    Raises:
        ExportError: one cannot be written.
    """
    written: list[Path] = []
    for path, content in files.items():
        try:
            with writing.whole(path) as file:
                file.write(content)
        except OSError as error:
            for other in written:
                other.unlink()
            raise ExportError(f"path={path} cannot be written: {error.strerror}") from error
        written.append(path)
