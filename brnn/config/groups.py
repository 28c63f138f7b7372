"""The groups of options, and the function behind each option.

An option of a group is a YAML file in `conf/<group>/`. Its `name` is a public function of one of
the group's modules or, with dots, of a package listed in `plugins`; its other keys are that
function's keyword-only arguments. A preset is an option that holds other values of the same
function; its `preset` is its file name.
"""

import importlib
from functools import partial
from typing import Any

import yaml

from brnn import paths
from brnn.config import signatures
from brnn.config.plugins import plugin_function
from brnn.errors import ConfigError, did_you_mean

GROUPS: dict[str, tuple[str, ...]] = {
    "precision": ("brnn.quantization.precisions",),
    "estimator": ("brnn.quantization.estimators",),
    "topology": (
        "brnn.nets.dense",
        "brnn.nets.convolutional",
        "brnn.nets.recurrent",
        "brnn.nets.files",
    ),
    "dataset": ("brnn.data.images", "brnn.data.sequences"),
    "attack": (
        "brnn.attacks.gradient",
        "brnn.attacks.blackbox",
        "brnn.attacks.ensembles",
        "brnn.attacks.external",
        "brnn.proof.exact",
    ),
    "training": ("brnn.training.regimes",),
    "progression": ("brnn.training.progressions",),
    "distribution": ("brnn.training.distribution",),
    "loss": ("brnn.training.losses",),
    "schedule": ("brnn.training.schedules",),
    "initializer": ("brnn.quantization.initializers",),
    "bias_initializer": ("brnn.quantization.initializers",),
}
NAMED = ("precision", "estimator", "topology", "recipe")  # they name a run
RUNS = ("init.from", "teacher")  # keys of other runs, which name a run too
LISTED: dict[str, tuple[str, ...]] = {  # groups of which a key or a command names any number
    "format": (
        "brnn.exchange.levels",
        "brnn.exchange.onnx_formats",
        "brnn.exchange.qonnx_format",
        "brnn.exchange.litert_format",
        "brnn.exchange.c",
    ),
}
SHARED = {
    "attack": ("brnn.robustness.evaluate", "evaluate_run")
}  # keys that every option of a group has
SECTIONS = {  # mappings of the root that are not chosen from a group
    "": ("brnn.config.schema", "Root"),
    "recipe": ("brnn.config.schema", "Recipe"),
    "init": ("brnn.config.schema", "Init"),
    "distillation": ("brnn.training.distill", "distillation"),
    "augmentation": ("brnn.training.augment", "augmentation"),
    "tracking": ("brnn.tracking.store", "open_store"),
    "sample": ("brnn.runs.text", "write"),
    "export": ("brnn.runs.export", "export"),
}


def option(group: str, name: str) -> dict[str, Any]:
    """Return the keys of an option as its YAML file and the options that it builds on state them.

    Only `defaults` of the same group are followed; Hydra resolves the rest.

    Raises:
        ConfigError: the group has no such option.
    """
    file = paths.conf() / group / f"{name}.yaml"
    if not file.is_file():
        valid = names(group)
        raise ConfigError(
            f"{group} must be one of {', '.join(valid)}, got {name}{did_you_mean(name, valid)}"
        )
    keys = yaml.safe_load(file.read_text())
    result: dict[str, Any] = {}
    for base in keys.pop("defaults", []):
        if isinstance(base, str) and base != "_self_" and not base.startswith("/"):
            result |= option(group, base)
    return result | keys


def names(group: str) -> list[str]:
    """Return the names of a group's options, sorted."""
    return sorted(path.stem for path in (paths.conf() / _folder(group)).glob("*.yaml"))


def options_with(group: str, key: str) -> list[str]:
    """Return the names of a group's options that have a key, sorted."""
    return [name for name in names(group) if key in _own_keys(group, name)]


def label(option: dict[str, Any]) -> str:
    """Return what an option is called in names and tags: its preset, or its function."""
    return option.get("preset") or option["name"].rpartition(".")[2]


def arguments(option: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of an option that are arguments."""
    return {key: value for key, value in option.items() if key not in ("name", "preset")}


def locate(group: str, name: object, plugins: list[str]) -> tuple[str, str]:
    """Return the module and the name of the function that an option names.

    Raises:
        ConfigError: there is no such function, or its package is not listed in `plugins`.
    """
    module, _, last = str(name).rpartition(".")
    if module:
        _check_plugin(group, str(name), module, plugins)
    candidates = (module,) if module else (GROUPS | LISTED)[group]
    for candidate in candidates:
        if last in signatures.functions(candidate):
            return candidate, last
    valid = sorted(f for candidate in candidates for f in signatures.functions(candidate))
    raise ConfigError(
        f"{group}.name must be one of {', '.join(valid)}, got {name!r}{did_you_mean(last, valid)}"
    )


def function(group: str, option: dict[str, Any], plugins: list[str]) -> partial[Any]:
    """Return the function of an option, with the option's keys bound as its arguments."""
    module, name = locate(group, option["name"], plugins)
    parameters = signatures.parameters(module, name)
    keys = {key: value for key, value in arguments(option).items() if key in parameters}
    if module.split(".")[0] in plugins:
        return partial(plugin_function(group, module, name), **keys)
    return partial(getattr(importlib.import_module(module), name), **keys)


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested keys joined by dots."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        nested = isinstance(value, dict)
        result |= flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return result


def _folder(group: str) -> str:
    return "initializer" if group == "bias_initializer" else group


def _own_keys(group: str, name: str) -> dict[str, Any]:
    """Return the keys of an option; a file that sets keys of the root has them in a mapping."""
    keys = option(_folder(group), name)
    return keys[group] if isinstance(keys.get(group), dict) else keys


def _check_plugin(group: str, name: str, module: str, plugins: list[str]) -> None:
    package = module.split(".")[0]
    if package not in plugins:
        raise ConfigError(f"{group}.name={name}: add {package!r} to plugins, which lists {plugins}")
    try:
        signatures.functions(module)
    except Exception as error:  # a plugin's parent package runs as it is located
        raise ConfigError(f"{group}.name={name}: {error}") from error
