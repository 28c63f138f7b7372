"""Experiments on discretized neural networks: configure, train, discretize, attack, track.

The public names are imported on first use, so that `import brnn` is fast and needs no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brnn.data.dataset import Data
    from brnn.errors import BrnnError, ConfigError
    from brnn.library import evaluate, fit, load_data, track
    from brnn.quantization import estimators, initializers, quantizers
    from brnn.quantization.layers import QuantActivation
    from brnn.quantization.manager import QuantManager, Rule
    from brnn.training import losses, regimes, schedules
    from brnn.training.program import Program

NAMES = {  # public name: the module that has it
    "BrnnError": "brnn.errors",
    "ConfigError": "brnn.errors",
    "Data": "brnn.data.dataset",
    "Program": "brnn.training.program",
    "QuantActivation": "brnn.quantization.layers",
    "QuantManager": "brnn.quantization.manager",
    "Rule": "brnn.quantization.manager",
    "estimators": "brnn.quantization",
    "evaluate": "brnn.library",
    "fit": "brnn.library",
    "initializers": "brnn.quantization",
    "load_data": "brnn.library",
    "losses": "brnn.training",
    "quantizers": "brnn.quantization",
    "regimes": "brnn.training",
    "schedules": "brnn.training",
    "track": "brnn.library",
}

__all__ = [
    "BrnnError",
    "ConfigError",
    "Data",
    "Program",
    "QuantActivation",
    "QuantManager",
    "Rule",
    "attacks",
    "estimators",
    "evaluate",
    "fit",
    "initializers",
    "load_data",
    "losses",
    "quantizers",
    "regimes",
    "schedules",
    "track",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("brnn")
    if name not in __all__:
        raise AttributeError(f"module 'brnn' has no attribute {name!r}")
    if NAMES.get(name) != "brnn.errors":
        importlib.import_module("brnn.config.environment").check_keras()
    if name == "attacks":
        return importlib.import_module("brnn.attacks")
    module = importlib.import_module(NAMES[name])
    if hasattr(module, name):
        return getattr(module, name)
    return importlib.import_module(f"{NAMES[name]}.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
