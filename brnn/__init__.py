"""Experiments on discretized neural networks: configure, train, discretize, attack, track.

The public names are imported on first use, so that `import brnn` is fast and needs no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; a test compares it with NAMES
    from brnn import attacks as attacks
    from brnn.data.dataset import Data as Data
    from brnn.errors import BrnnError as BrnnError
    from brnn.errors import ConfigError as ConfigError
    from brnn.errors import DataError as DataError
    from brnn.errors import DataWarning as DataWarning
    from brnn.errors import NonFiniteError as NonFiniteError
    from brnn.errors import TrackingError as TrackingError
    from brnn.library import evaluate as evaluate
    from brnn.library import fit as fit
    from brnn.library import load_data as load_data
    from brnn.library import track as track
    from brnn.quantization import estimators as estimators
    from brnn.quantization import initializers as initializers
    from brnn.quantization import quantizers as quantizers
    from brnn.quantization.annealing import annealed as annealed
    from brnn.quantization.layers import QuantActivation as QuantActivation
    from brnn.quantization.manager import QuantManager as QuantManager
    from brnn.quantization.manager import Rule as Rule
    from brnn.training import losses as losses
    from brnn.training import regimes as regimes
    from brnn.training import schedules as schedules
    from brnn.training.augment import augmentation as augmentation
    from brnn.training.program import Program as Program

NAMES = {  # public name: the module that has it, or that it is
    "BrnnError": "brnn.errors",
    "ConfigError": "brnn.errors",
    "Data": "brnn.data.dataset",
    "DataError": "brnn.errors",
    "DataWarning": "brnn.errors",
    "NonFiniteError": "brnn.errors",
    "Program": "brnn.training.program",
    "QuantActivation": "brnn.quantization.layers",
    "QuantManager": "brnn.quantization.manager",
    "Rule": "brnn.quantization.manager",
    "TrackingError": "brnn.errors",
    "annealed": "brnn.quantization.annealing",
    "attacks": "brnn.attacks",
    "augmentation": "brnn.training.augment",
    "estimators": "brnn.quantization.estimators",
    "evaluate": "brnn.library",
    "fit": "brnn.library",
    "initializers": "brnn.quantization.initializers",
    "load_data": "brnn.library",
    "losses": "brnn.training.losses",
    "quantizers": "brnn.quantization.quantizers",
    "regimes": "brnn.training.regimes",
    "schedules": "brnn.training.schedules",
    "track": "brnn.library",
}

__all__ = list(NAMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("brnn")
    if name not in NAMES:
        raise AttributeError(f"module 'brnn' has no attribute {name!r}")
    if NAMES[name] != "brnn.errors":
        importlib.import_module("brnn.config.environment").check_keras()
    module = importlib.import_module(NAMES[name])
    return module if NAMES[name].endswith(f".{name}") else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *NAMES])
