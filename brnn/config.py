"""Configuration: checked before TensorFlow is imported, against the signatures of the functions that it names.

Every option of a group has a `name`, a function in one of the group's modules (or, with dots, in a package
that `plugins` lists), and its other keys are that function's keyword-only arguments. Their annotations say
what a value may be; they are read from the source, so that nothing is imported to check a configuration.
"""

import ast
import hashlib
import importlib
import importlib.util
import json
import os
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import yaml

from brnn import ranges

MODULES = {
    "precision": ("brnn.precisions",),
    "estimator": ("brnn.estimators",),
    "topology": ("brnn.topologies", "brnn.recurrent"),
    "dataset": ("brnn.datasets",),
    "attack": ("brnn.attacks", "brnn.blackbox", "brnn.ensembles", "brnn.exact", "brnn.external"),
    "training": ("brnn.regimes",),
    "distribution": ("brnn.distribution",),
    "loss": ("brnn.losses",),
    "schedule": ("brnn.schedules",),
    "initializer": ("brnn.initializers",),
    "bias_initializer": ("brnn.initializers",),
}
RESTS = {  # on which code the numbers of a group rest besides
    "precision": ("brnn.quantizers", "brnn.manager", "brnn.layers"),
    "topology": ("brnn.cells",),
    "training": ("brnn.training", "brnn.nets", "brnn.goals", "brnn.tasks"),
    "attack": ("brnn.attacks", "brnn.blackbox", "brnn.goals", "brnn.robustness", "brnn.trust"),
}
SHARED = {"attack": ("brnn.robustness", "evaluate")}  # a function whose keys every option of the group has
SECTIONS = {"": ("brnn.run", "run"), "tracking": ("brnn.tracking", "open_store"), "sample": ("brnn.writing", "written")}
OPTIMIZER = {"name": str, "learning_rate": ranges.Positive}  # Keras checks the other arguments of its classes
REGRESSION, PER_STEP = {"Values", "Signal"}, {"Tokens", "Signal"}  # what data sets declare that they return


class ConfigError(ValueError):
    """A configuration that cannot run; the message names the key, the value and what would be valid."""


def check(config: dict) -> None:
    """Raises `ConfigError` for a missing or unknown key, a bad value, an unknown name or an impossible combination."""
    for section in (*MODULES, "optimizer", *(section for section in SECTIONS if section)):
        if not isinstance(config.get(section), dict):
            raise ConfigError(f"{section} must be a group of keys, got {config.get(section)!r}")
    for section, (module, function) in SECTIONS.items():
        keys = config if section == "" else config[section]
        own = {k: v for k, v in keys.items() if section or k not in {*MODULES, "optimizer", *SECTIONS, "experiment"}}
        _check_keys(section, own, parameters(module, function))
    for group in MODULES:
        shared = parameters(*SHARED[group]) if group in SHARED else {}
        _check_option(group, config[group], config["plugins"], shared)
    if config["precision"]["name"] == "custom":
        for role, keys in config["precision"].items():
            if isinstance(keys, dict):
                _check_quantizer(role, keys)
    _check_keys("optimizer", {k: v for k, v in config["optimizer"].items() if k in OPTIMIZER}, OPTIMIZER)
    check_backward(config["attack"]["estimator"], "attack.estimator")
    members(config["attack"], config["plugins"])
    _check_combination(config)


def _check_option(group: str, option: dict, plugins: list[str], shared: dict[str, Any]) -> None:
    """Raises `ConfigError` for an option that its function does not take; `shared` are further keys and their types."""
    option = dict(option)
    module, name = _located(group, option.pop("name", None), plugins)
    _check_keys(group, option, parameters(module, name) | shared)


def check_backward(estimator: str, key: str) -> None:
    """Refuses an estimator of an attack, given by a key, that is no option."""
    valid = sorted(path.stem for path in (folder() / "estimator").glob("*.yaml"))
    if estimator not in {"trained", *valid}:
        raise ConfigError(f"{key} must be trained or one of {', '.join(valid)}, got {estimator!r}")


def members(attack: dict, plugins: list[str]) -> dict[str, dict]:
    """The attacks that an option stands for, by name; for most, just itself. Raises `ConfigError` for a bad one."""
    _check_budget(attack)
    if attack["name"] not in _functions("brnn.ensembles"):
        return {attack["name"]: attack}
    found = function("attack", attack, plugins)()
    if not found:
        raise ConfigError(f"attack={attack['name']} has no members; a list of its keys is empty")
    for member in found.values():
        _check_option("attack", member, plugins, {"estimator": str, "source": str | None})
        check_backward(member["estimator"], "attack.members")
        _check_budget(member)
    return found


def function(group: str, option: dict, plugins: list[str]) -> Callable:
    """The function that `option` of `group` names, with the option's keys as its arguments."""
    option = dict(option)
    module, name = _located(group, option.pop("name"), plugins)
    own = parameters(module, name)
    return partial(getattr(importlib.import_module(module), name), **{k: v for k, v in option.items() if k in own})


def option(group: str, name: str) -> dict:
    """The keys of an option as its YAML file gives them."""
    file = folder() / group / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(
            f"{group} must be one of {', '.join(sorted(p.stem for p in file.parent.glob('*.yaml')))}, got {name}"
        )
    return yaml.safe_load(file.read_text())


def sources(config: dict) -> dict[str, str]:
    """A digest of the code of each module that the options of a configuration, or of a part of it, rest on."""
    groups = [group for group in MODULES if group in config]
    modules = {_located(group, config[group]["name"], config["plugins"])[0] for group in groups}
    modules |= {module for group in groups for module in RESTS.get(group, ())}
    return {module: hashlib.sha256(_source(module).encode()).hexdigest() for module in sorted(modules)}


def workers(addresses: list[str] | None, index: int | None) -> tuple[list[str], int]:
    """The address of each worker, the chief's first, and which of them this one is; of TF_CONFIG if both are None."""
    if addresses is None and index is None:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(os.environ.get("TF_CONFIG", ""))
            chief, task = found["cluster"].get("chief", []), found["task"]
            addresses = chief + found["cluster"].get("worker", [])
            index = {"chief": 0, "worker": len(chief)}[task["type"]] + int(task["index"])
    if not addresses or index not in range(len(addresses)):
        raise ConfigError(
            "distribution.workers must list the addresses of all workers, and distribution.index say which of them this"
            f" one is, from 0; or both be null, and TF_CONFIG say it; got {addresses} and {index}"
        )
    return addresses, index


def folder() -> Path:
    """Where `conf` lies: inside the package in a wheel, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return next(path for path in (here / "conf", here.parent / "conf") if (path / "config.yaml").is_file())


@cache
def parameters(module: str, name: str) -> dict[str, Any]:
    """The keyword-only arguments of a function and their annotations, read from its source."""
    return {argument.arg: _evaluated(argument.annotation) for argument in _functions(module)[name].args.kwonlyargs}


def flat(config: dict, prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    result = {}
    for key, value in config.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result


def _located(group: str, name: Any, plugins: list[str]) -> tuple[str, str]:
    """The module and the name of the function that an option names."""
    module, _, last = str(name).rpartition(".")
    if module:
        if module.split(".")[0] not in plugins:
            raise ConfigError(f"{group}.name={name}: add {module.split('.')[0]!r} to plugins, which lists {plugins}")
        try:
            _functions(module)
        except Exception as error:  # whatever a plugin does as it is found
            raise ConfigError(f"{group}.name={name}: {error}") from error
        candidates = (module,)
    else:
        candidates = MODULES[group]
    for candidate in candidates:
        if last in _functions(candidate):
            return candidate, last
    valid = sorted(f for candidate in candidates for f in _functions(candidate))
    raise ConfigError(f"{group}.name must be one of {', '.join(valid)}, got {name!r}")


@cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    nodes = ast.parse(_source(module)).body
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}


def _source(module: str) -> str:
    file = getattr(importlib.util.find_spec(module), "origin", None) or ""
    if not file.endswith(".py"):
        raise ConfigError(f"there is no module {module!r} in Python")
    return Path(file).read_text()


def _evaluated(annotation: ast.expr | None) -> Any:
    """What an annotation stands for; anything where it is missing, or of a plugin's own names."""
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation or ast.Name("Any"))
    try:
        return eval(str(text), {**vars(ranges), "Literal": Literal, "Any": Any})
    except NameError:
        return Any
    except Exception as error:
        raise ConfigError(f"there is an annotation that cannot be read, {text}: {error}") from error


def _check_keys(section: str, given: dict, valid: dict[str, Any]) -> None:
    dotted = f"{section}." if section else ""
    for key in given:
        if key not in valid:
            raise ConfigError(f"{dotted}{key} is not a key here; valid are: {', '.join(valid) or 'none'}")
    for key, annotation in valid.items():
        if key not in given:
            raise ConfigError(f"{dotted}{key} is missing")
        try:
            fits = _fits(given[key], annotation)
        except TypeError as error:
            raise ConfigError(f"{dotted}{key} cannot be checked against its annotation, {annotation}") from error
        if not fits:
            raise ConfigError(f"{dotted}{key} must be {_words(annotation)}, got {given[key]!r}")


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type, and passes its test."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return True
    if annotation is None or annotation is types.NoneType:
        return value is None
    if origin is typing.Annotated:
        return _fits(value, arguments[0]) and annotation.__metadata__[1](value)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_fits(one, arguments[0]) for one in value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, annotation) and (annotation is bool or not isinstance(value, bool))


def _words(annotation: Any) -> str:
    """What an annotation allows, in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    plain = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", types.NoneType: "null"}
    plain |= {dict: "a mapping"}
    if origin is typing.Annotated:
        return annotation.__metadata__[0]
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(_words, arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is list:
        return f"a list, each {_words(arguments[0])}"
    return plain.get(annotation, str(annotation))


def _check_quantizer(role: str, keys: dict) -> None:
    """Refuses a mapping of `precision` that names no quantizer, or has a key that it does not take."""
    keys, section = dict(keys), f"precision.{role}"
    name, valid = keys.pop("quantizer", None), sorted(_functions("brnn.quantizers"))
    if name not in valid:
        raise ConfigError(f"{section}.quantizer must be one of {', '.join(valid)}, got {name!r}")
    own = parameters("brnn.quantizers", name)
    bound = {} if "scale" in own or role == "activation" else {"bound": ranges.Positive}
    _check_keys(section, keys, own | bound)


def _check_budget(attack: dict) -> None:
    """Refuses a budget beyond all pixels, and a surrogate for an attack that stops too early for it."""
    for key in ("epsilon", "curve_epsilons"):
        given = attack.get(key, 0.0)
        largest = max(given if isinstance(given, list) else [given], default=0.0)
        if attack.get("norm") == "linf" and largest > 1:
            raise ConfigError(
                f"attack.{key} must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is 0.0314), got {largest}"
            )
    if attack["source"] is not None and attack.get("early_stop"):
        raise ConfigError(
            "attack.source needs attack.early_stop=false: what just breaks a surrogate breaks no other net"
        )


def _check_combination(config: dict) -> None:
    """Refuses what each key allows but the whole does not."""
    _check_data(config)
    if config["distribution"]["name"] == "multi_worker":
        workers(config["distribution"]["workers"], config["distribution"]["index"])
    if config["keep"] == "best" and config["dataset"].get("validation") == 0:
        raise ConfigError("keep=best needs validation data, got dataset.validation=0; use keep=last")
    attack = config["attack"]["name"]
    objectives = config["objective"] if isinstance(config["objective"], list) else [config["objective"]]
    if attack == "none" and any(one.startswith("attack") for one in objectives):
        raise ConfigError(f"objective={config['objective']} needs an attack, got attack=none")


def _check_data(config: dict) -> None:
    """Refuses an attack, a regime, a topology or a loss that does not fit the data."""
    groups = ("dataset", "attack", "training", "topology", "loss")
    dataset, attack, regime, topology, loss = (config[group]["name"] for group in groups)
    module, name = _located("dataset", dataset, config["plugins"])
    kind = ast.unparse(_functions(module)[name].returns or ast.Name("")).rpartition(".")[2]
    if not kind:  # a plugin that declares nothing
        return
    if attack != "none" and kind in REGRESSION | PER_STEP:
        raise ConfigError(
            f"attack={attack} needs a dataset of pixels and classes, got dataset={dataset}; use attack=none"
        )
    if regime != "standard" and kind in REGRESSION | PER_STEP:
        raise ConfigError(f"training={regime} needs a dataset of pixels and classes, got dataset={dataset}")
    if topology in _functions("brnn.topologies") and kind in PER_STEP:
        valid = ", ".join(sorted(_functions("brnn.recurrent")))
        raise ConfigError(f"topology must be one of {valid} for dataset={dataset}, got {topology}")
    if (loss == "mean_squared_error") != (kind in REGRESSION):
        valid = "mean_squared_error" if kind in REGRESSION else "cross_entropy or squared_hinge"
        raise ConfigError(f"loss must be {valid} for dataset={dataset}, got {loss}")
