"""Attacks made of other attacks: the strongest of several for each image.

Each function returns its members by name, as complete options of other attacks. They run one after
the other, each on the images that those before it did not break.
"""

import json
from typing import Any, Literal

import yaml

from brnn.config import groups
from brnn.config.attack_options import NORMS, check_backward
from brnn.config.ranges import Positive
from brnn.config.signatures import parameters
from brnn.errors import ConfigError, did_you_mean

NOT_MEMBERS = ("adaptive", "suite", "exact", "none")

Members = dict[str, dict[str, Any]]


def adaptive(
    *,
    base: str,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    estimators: list[str],
    temperatures: list[Positive],
    targeted: bool,
) -> Members:
    """Return one attack through every backward pass and at every temperature of the logits.

    The adversary knows how the net hides its gradient. Temperatures are left out where `base` has
    no such key.

    Args:
        base: an attack, with the keys that differ from its option, such as `fgsm clip=true`.
        epsilon: the budget of every member.
        norm: its norm.
        estimators: options of the group `estimator`, or `trained`.
        temperatures: what the logits are divided by.
        targeted: whether labels are to be reached.

    Raises:
        ConfigError: `base` or an estimator does not exist.

    References:
        Tramer et al. 2020, arXiv:2002.08347.
    """
    scaled = "temperature" in _option("attack.base", base.partition(" ")[0])
    members = {}
    for estimator in estimators:
        check_backward(estimator, "attack.estimators")
        for temperature in temperatures if scaled else temperatures[:1]:
            text = f"{base} estimator={estimator}" + f" temperature={temperature}" * scaled
            member = _member("attack.base", text, epsilon, norm, targeted)
            members[f"{estimator}-{temperature:g}"] = member
    return members


def suite(
    *, members: list[str], epsilon: Positive, norm: Literal["linf", "l2"], targeted: bool
) -> Members:
    """Return attacks listed by name, each with the keys that differ from its option.

    Args:
        members: such as `apgd loss=dlr`; `adaptive` stands for the members of that attack.
        epsilon: the budget of every member.
        norm: its norm.
        targeted: whether labels are to be reached.

    Raises:
        ConfigError: a member does not exist, or has no such key.

    References:
        AutoAttack, Croce and Hein 2020, arXiv:2003.01690, here with the backward pass as one more
        axis.
    """
    budget = {"epsilon": epsilon, "norm": norm, "targeted": targeted}
    result: Members = {}
    for text in members:
        name, _, changes = text.partition(" ")
        if name == "adaptive":
            if changes:
                raise ConfigError(
                    f"attack.members: adaptive takes no keys as a member, got {changes}"
                )
            option = groups.option("attack", "adaptive") | budget
            keys = {key: option[key] for key in parameters("brnn.attacks.ensembles", "adaptive")}
            inner = adaptive(**keys)
            result |= {f"adaptive-{name}": member for name, member in inner.items()}
        else:
            member = _member("attack.members", text, epsilon, norm, targeted)
            result[_title(text, member)] = member
    return result


def _title(text, member):
    """Return `text` with its values as JSON writes them, so that quotes have no part in names."""
    name, *changes = text.split()
    keys = [change.partition("=")[0] for change in changes]
    return " ".join([name, *(f"{key}={_written(member[key])}" for key in keys)])


def _written(value):
    return value if isinstance(value, str) else json.dumps(value)


def _member(section, text, epsilon, norm, targeted):
    """Return the complete option that `text` describes, within the budget of the ensemble.

    `section` is the key that the text is from, for messages.
    """
    name, *changes = text.split() or [""]
    option = _option(section, name)
    if NORMS.get(name, norm) != norm:
        raise ConfigError(
            f"{section}: {name} has only the norm {NORMS[name]}, got attack.norm={norm};"
            " leave it out"
        )
    budget = {"epsilon": epsilon, "norm": norm, "targeted": targeted}
    option |= {key: value for key, value in budget.items() if key in option}
    option |= {"estimator": "trained", "source": None}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in option:
            raise ConfigError(
                f"{section}: {name} has no key {key!r}; valid are:"
                f" {', '.join(option)}{did_you_mean(key, option)}"
            )
        try:
            option[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"{section}: {change} is not YAML") from error
    return option


def _option(section, name):
    try:
        option = groups.option("attack", name)
    except ConfigError as error:
        raise ConfigError(f"{section}: {error}") from error
    if option["name"] in NOT_MEMBERS:
        raise ConfigError(f"{section}: {name} cannot be a member of another attack")
    return option
