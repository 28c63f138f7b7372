"""The file of a Keras model, read without Keras: its architecture and the shape of its inputs."""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brnn.errors import ConfigError

KEYS = ("module", "class_name", "config", "registered_name", "build_config")  # of an architecture
KERAS, HDF5 = ".keras", ".h5"
NETS = (".onnx", ".onnx.gz", ".npz", HDF5, KERAS)  # files of nets with weights
LARQ = "Quant"  # beginning of the names of Larq's layers
MEMBER = "config.json"  # the architecture in a .keras file

Shape = tuple[int | None, ...]


def is_net(text: str) -> bool:
    """Return whether a text names a file of a net, and not a run."""
    return text.endswith(NETS)


def is_keras(path: Path) -> bool:
    """Return whether a file is one of Keras: .keras, or .h5 without layers of Larq."""
    if path.suffix != HDF5:
        return path.suffix == KERAS
    import h5py

    try:
        with h5py.File(path, "r") as file:
            layers = json.loads(file.attrs["model_config"])["config"]["layers"]
            return not any(layer["class_name"].startswith(LARQ) for layer in layers)
    except (OSError, KeyError, ValueError, TypeError):
        return False  # `read_larq` names what is wrong


def with_architecture(options: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration whose `topology=keras` holds the architecture of its file.

    So a run is repeated, attacked and exported without the file.

    Raises:
        ConfigError: there is no such file, or it does not hold a model of Keras' own layers.
    """
    topology = options["topology"]
    if not isinstance(topology, dict) or topology.get("name") != "keras":
        return options
    path, net = topology.get("path"), topology.get("net")
    if isinstance(path, str):
        net = architecture(path)
    elif not net:
        raise ConfigError(f"topology.path must name a .keras or .json file of a net, got {path}")
    return options | {"topology": topology | {"net": net}}


def architecture(path: str) -> str:
    """Return the architecture of a Keras model as JSON.

    Args:
        path: a .keras file, or the text of `model.to_json()`.

    Raises:
        ConfigError: there is no such file, or it does not hold a model of Keras' own layers.
    """
    file = Path(path).expanduser()
    if file.suffix not in (".keras", ".json") or not file.is_file():
        raise ConfigError(
            f"topology.path must name a .keras or .json file of a net, got {path}"
            + ("" if file.is_file() else ", which is not a file")
        )
    try:
        stated = stated_keys(_text(file))
        stated["config"]["layers"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"topology.path={path} is not the file of a sequential or functional Keras model"
            f" ({type(error).__name__}: {error}): write it by model.save('net.keras')"
        ) from error
    if foreign := sorted({*_modules(stated)} - {"keras"}):
        raise ConfigError(
            f"topology.path={path} has a part of {foreign[0]}; only Keras' own layers are loaded;"
            " others need a plugin, docs/how-to/plugins.md#a-topology"
        )
    return json.dumps(stated)


def stated_keys(text: str) -> dict[str, Any]:
    """Return the architecture of `model.to_json()` without the versions that wrote it."""
    net = json.loads(text)
    return {key: net[key] for key in KEYS if key in net}


def input_shape(net: str) -> Shape | None:
    """Return the shape of one input of an architecture; None where it is not stated."""
    layers = json.loads(net)["config"]["layers"]
    first = next((layer for layer in layers if layer["class_name"] == "InputLayer"), None)
    shape = first and first["config"].get("batch_shape")
    return tuple(shape[1:]) if shape else None


def reads(inputs: Shape, shape: tuple[int, ...]) -> bool:
    """Return whether a net reads data of a shape: as they are, flattened, or with one channel.

    Args:
        inputs: the shape of one input that the net states; None is any size.
        shape: that of one row of the data.
    """
    if len(inputs) == len(shape):
        return all(size in (None, other) for size, other in zip(inputs, shape, strict=True))
    return inputs in ((*shape, 1), (math.prod(shape),))


def _text(file: Path) -> str:
    if file.suffix == ".json":
        return file.read_text()
    with zipfile.ZipFile(file) as archive:
        return archive.read(MEMBER).decode()


def _modules(value: Any) -> Iterator[str]:
    """Yield the top packages of the classes that an architecture names.

    Plain values, such as a tensor's shape, have names of their own: `__keras_tensor__`.
    """
    if isinstance(value, dict):
        name = str(value.get("class_name", "__value__"))
        if not name.startswith("__") or name == "__lambda__":
            yield str(value.get("module") or value.get("registered_name") or name).partition(".")[0]
        for inner in value.values():
            yield from _modules(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _modules(inner)
