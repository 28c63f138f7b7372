"""The check of a whole configuration, before TensorFlow is imported."""

from typing import Any

from brnn.config import groups, ranges, signatures
from brnn.config.annealing import check_annealed
from brnn.config.attack_options import check_backward, members
from brnn.config.check_formats import check_formats
from brnn.config.check_keys import check_keys, check_option
from brnn.config.combinations import check_combination
from brnn.errors import ConfigError, did_you_mean

QUANTIZERS = "brnn.quantization.quantizers"


def check(config: dict[str, Any]) -> None:
    """Check a composed configuration.

    Raises:
        ConfigError: a key is missing or unknown, a value is bad, a name does not exist, or
            options do not go together. The message is one line.
    """
    sections = {*groups.GROUPS, "optimizer", *groups.SECTIONS} - {""}
    for section in sorted(sections):
        if not isinstance(config.get(section), dict):
            raise ConfigError(f"{section} must be a group of keys, got {config.get(section)!r}")
    for section, (module, function) in groups.SECTIONS.items():
        keys = (
            config[section]
            if section
            else {
                key: value for key, value in config.items() if key not in {*sections, "experiment"}
            }
        )
        check_keys(section, keys, signatures.parameters(module, function))
    check_annealed("estimator", config["estimator"], config["plugins"])
    for group in (name for name in groups.GROUPS if name != "estimator"):
        shared = signatures.parameters(*groups.SHARED[group]) if group in groups.SHARED else {}
        check_option(group, config[group], config["plugins"], shared)
    if config["precision"]["name"] == "custom":
        for role, keys in config["precision"].items():
            if isinstance(keys, dict):
                _check_quantizer(role, keys)
    _check_optimizer(config["optimizer"])
    check_formats(config["export"]["formats"])
    check_backward(config["attack"]["estimator"], "attack.estimator")
    members(config["attack"], config["plugins"])
    check_combination(config)


def _check_optimizer(keys: dict[str, Any]) -> None:
    """Check the keys of every optimizer and those of some; Keras checks the others."""
    of_every, of_some = (
        signatures.parameters("brnn.config.schema", name)
        for name in ("Optimizer", "OptimizerArguments")
    )
    valid = of_every | {key: kind for key, kind in of_some.items() if key in keys}
    check_keys("optimizer", {key: value for key, value in keys.items() if key in valid}, valid)


def _check_quantizer(role: str, keys: dict[str, Any]) -> None:
    """Check one role of `precision=custom`: the name of a quantizer, and its keys."""
    keys, section = dict(keys), f"precision.{role}"
    name, valid = keys.pop("quantizer", None), sorted(signatures.functions(QUANTIZERS))
    if name not in valid:
        raise ConfigError(
            f"{section}.quantizer must be one of {', '.join(valid)}, got {name!r}"
            f"{did_you_mean(str(name), valid)}"
        )
    parameters = signatures.parameters(QUANTIZERS, name)
    bound = {} if "scale" in parameters or role == "activation" else {"bound": ranges.Positive}
    check_keys(section, keys, parameters | bound)
