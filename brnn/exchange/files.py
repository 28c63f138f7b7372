"""Nets that come from files of several formats."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from brnn.config.groups import option
from brnn.config.model_file import HDF5, is_keras, stated_keys
from brnn.data.dataset import Data
from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.exchange.calibration import calibrate
from brnn.exchange.incoming import Imported, imported
from brnn.exchange.larq_import import read_larq
from brnn.exchange.levels_import import read_levels
from brnn.exchange.onnx_import import read_onnx

LEVEL = 1.0  # of codes
SEEN = 2000  # training images for the statistics of batch normalization


def weights_of(path: Path, init: dict, data: Data, trained: bool) -> list[tuple[np.ndarray, float]]:
    """Return the weights of a net, in the order of `model.weights`, and the bounds of their levels.

    Args:
        path: of the file.
        init: the keys `init` of a configuration.
        data: whose images the net takes.
        trained: whether a training follows; then batch normalizations of formats that lack the
            statistics of their inputs have those of training images.

    Raises:
        ConfigError: a package is missing.
        DataError: the file cannot be read.
    """
    if is_keras(path):
        return [(value, 0.0) for value in read_model(path).get_weights()]
    x = data.test[0]
    net = read_net(path, x.shape[1:], x.dtype == np.uint8, init["black"], init["white"])
    if trained:
        activation = net.precision["activation"]
        calibrate(
            net.model, activation and activation["quantizer"], to_pixels(data.train[0][:SEEN])
        )
    coded = [weight.path.endswith("/kernel") for weight in net.model.weights]
    values = net.model.get_weights()
    return [(v, LEVEL if is_coded else 0.0) for v, is_coded in zip(values, coded, strict=True)]


def configured(
    path: Path, options: dict[str, Any], data: Data
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return a configuration whose net is that of a file, and its weights.

    Args:
        path: of the file.
        options: a configuration of topology=keras; of a Keras file its precision stays.
        data: whose images the net takes.

    Raises:
        ConfigError: a package is missing.
        DataError: the file cannot be read.
    """
    topology = options["topology"] | {"path": str(path)}
    if is_keras(path):
        model = read_model(path)
        topology |= {"net": json.dumps(stated_keys(model.to_json()))}
        return options | {"topology": topology}, model.get_weights()
    x, init = data.test[0], options["init"]
    net = read_net(path, x.shape[1:], x.dtype == np.uint8, init["black"], init["white"])
    topology |= {"net": net.model.to_json(), "real": net.real}
    precision = option("precision", "custom") | net.precision
    return options | {"topology": topology, "precision": precision}, net.model.get_weights()


def read_net(
    path: Path, shape: tuple[int, ...], of_bytes: bool, low: float, high: float
) -> Imported:
    """Return the net of a file that states more than a Keras model: ONNX, levels or Larq.

    Args:
        path: of the file; its suffix is that of the format.
        shape: of one input of the data.
        of_bytes: whether the data are bytes.
        low: what the net takes for a black pixel.
        high: what it takes for a white one; 255 where it takes bytes.

    Raises:
        ConfigError: a package is missing.
        DataError: the file cannot be read, or holds a net of another kind.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    if path.suffix == ".npz":
        net = read_levels(path, shape)
    elif path.suffix == HDF5:
        net = read_larq(path, low, high)
    else:
        net = read_onnx(path, low, high)
    return imported(net, of_bytes)


def read_model(path: Path) -> keras.Model:
    """Return the model of a file of Keras, without code of its own.

    Raises:
        DataError: there is no such file, or Keras cannot load it.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of any class
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a net that Keras can load: {reason}") from error
