"""Attacks of the Adversarial Robustness Toolbox by name."""

from brnn.errors import ConfigError, did_you_mean, require


def evasion_attack(method: str) -> type:
    """Return a class of evasion attacks of the Adversarial Robustness Toolbox by its name.

    Raises:
        ConfigError: ART is not installed, or has no such attack.
    """
    require("art", "attack=art", "attacks")
    from art.attacks import EvasionAttack, evasion

    valid = sorted(
        name
        for name, value in vars(evasion).items()
        if isinstance(value, type) and issubclass(value, EvasionAttack)
    )
    if method not in valid:
        raise ConfigError(
            f"attack.method must be one of {', '.join(valid)},"
            f" got {method!r}{did_you_mean(method, valid)}"
        )
    return getattr(evasion, method)
