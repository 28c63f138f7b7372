"""Members, budget and gradient access of an attack option."""

from typing import Any

from brnn.config import groups, signatures
from brnn.config.check_keys import check_option
from brnn.errors import ConfigError, did_you_mean

ENSEMBLES = "brnn.attacks.ensembles"
NORMS = {"cw_l2": "l2"}  # of the attacks that have only one
COMPARED_WITH_EXACT = ("pgd", "noise")  # attacks whose result stands beside the solver's


def members(attack: dict[str, Any], plugins: list[str]) -> dict[str, dict[str, Any]]:
    """Return the attacks that an option runs, by name: those of an ensemble, else itself.

    Raises:
        ConfigError: the option, or a member of it, cannot run.
    """
    _check_budget(attack)
    if not is_ensemble(attack):
        return {attack["name"]: attack}
    result = groups.function("attack", attack, plugins)()
    if not result:
        raise ConfigError(f"attack={attack['name']} has no members; a list of its keys is empty")
    for member in result.values():
        check_option("attack", member, plugins, {"estimator": str, "source": str | None})
        check_backward(member["estimator"], "attack.members")
        _check_budget(member)
    return result


def is_ensemble(attack: dict[str, Any]) -> bool:
    """Return whether an attack is made of other attacks."""
    return attack["name"] in signatures.functions(ENSEMBLES)


def norm_of(attack: dict[str, Any]) -> Any:
    """Return the norm of the budget of an attack: `linf`, unless it states another."""
    return attack.get("norm", NORMS.get(attack["name"], "linf"))


def sees_gradient(attack: dict[str, Any], plugins: list[str]) -> bool:
    """Return whether an attack uses the gradient of the net that it is given.

    A module of attacks states it as `SEES_GRADIENT`, by default true.
    """
    module, _ = groups.locate("attack", attack["name"], plugins)
    return signatures.constant(module, "SEES_GRADIENT", True)


def check_backward(estimator: str, key: str) -> None:
    """Check the estimator that a key names for the backward pass of an attack.

    Raises:
        ConfigError: it is not `trained` or an option of the group `estimator`.
    """
    valid = ["trained", *groups.names("estimator")]
    if estimator not in valid:
        raise ConfigError(
            f"{key} must be one of {', '.join(valid)}, got {estimator!r}"
            f"{did_you_mean(estimator, valid)}"
        )


def _check_budget(attack: dict[str, Any]) -> None:
    """Refuse a budget beyond all pixels, and a surrogate for an attack that stops too early."""
    for key in ("epsilon", "curve_epsilons"):
        given = attack.get(key, 0.0)
        largest = max(given if isinstance(given, list) else [given], default=0.0)
        if attack.get("norm") == "linf" and largest > 1:
            raise ConfigError(
                f"attack.{key} must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is"
                f" 0.0314), got {largest}"
            )
    if attack["source"] is not None and attack.get("early_stop"):
        raise ConfigError(
            "attack.source needs attack.early_stop=false: an image that just breaks a surrogate"
            " rarely breaks another net"
        )
