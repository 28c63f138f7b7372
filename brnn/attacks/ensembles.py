"""Attacks made of attacks: per image the strongest of several.

Each function gives its members by name: complete options of other attacks, which run one after the other, each on
the images that those before it did not break.
"""

from typing import Literal

import yaml

from brnn.config import groups
from brnn.config.attack_options import check_backward
from brnn.config.ranges import Positive
from brnn.config.signatures import parameters
from brnn.errors import ConfigError

NORMS = {"cw_l2": "l2"}  # of the attacks that know but one
WHOLE = ("adaptive", "suite", "exact", "none")  # which are no members of others


def adaptive(
    *,
    base: str,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    estimators: list[str],
    temperatures: list[Positive],
    targeted: bool,
):
    """One attack through every backward pass, and on logits divided by every temperature.

    `base` is the name of an attack, with the keys that differ from its option. Temperatures are left out where it
    has none. After Tramer et al. 2020, arXiv:2002.08347: the adversary knows how the net hides its gradient.
    """
    scaled = "temperature" in _option("attack.base", base.partition(" ")[0])
    members = {}
    for estimator in estimators:
        check_backward(estimator, "attack.estimators")
        for temperature in temperatures if scaled else temperatures[:1]:
            text = f"{base} estimator={estimator}" + f" temperature={temperature}" * scaled
            members[f"{estimator}-{temperature:g}"] = _member(
                "attack.base", text, epsilon, norm, targeted
            )
    return members


def suite(*, members: list[str], epsilon: Positive, norm: Literal["linf", "l2"], targeted: bool):
    """All `members`: names of attacks, each with the keys that differ from its option, as in `apgd loss=dlr`.

    After AutoAttack, Croce and Hein 2020, arXiv:2003.01690, with the backward pass as one more axis.
    """
    result = {}
    for text in members:
        name, _, changes = text.partition(" ")
        if name == "adaptive":
            if changes:
                raise ConfigError(
                    f"attack.members: adaptive takes no keys as a member, got {changes}"
                )
            keys = groups.option("attack", "adaptive") | {
                "epsilon": epsilon,
                "norm": norm,
                "targeted": targeted,
            }
            own = {key: keys[key] for key in parameters("brnn.attacks.ensembles", "adaptive")}
            result |= {f"adaptive-{way}": member for way, member in adaptive(**own).items()}
        else:
            result[text] = _member("attack.members", text, epsilon, norm, targeted)
    return result


def _member(given_by, text, epsilon, norm, targeted):
    """The complete option of an attack, as the key `given_by` describes it, within the budget of the ensemble."""
    name, *changes = text.split() or [""]
    option = _option(given_by, name)
    if NORMS.get(name, norm) != norm:
        raise ConfigError(
            f"{given_by}: {name} knows only {NORMS[name]}, got attack.norm={norm}; leave it out"
        )
    given = {"epsilon": epsilon, "norm": norm, "targeted": targeted}
    option |= {key: value for key, value in given.items() if key in option}
    option |= {"estimator": "trained", "source": None}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in option:
            raise ConfigError(f"{given_by}: {name} has no key {key!r}; it has {', '.join(option)}")
        try:
            option[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"{given_by}: {change} cannot be read") from error
    return option


def _option(given_by, name):
    if name in WHOLE:
        raise ConfigError(f"{given_by}: {name} cannot be a member of another attack")
    try:
        return groups.option("attack", name)
    except ConfigError as error:
        raise ConfigError(f"{given_by}: {error}") from error
