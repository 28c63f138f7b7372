"""Optional packages: what they offer by name, or one line on how to get them."""

import importlib.util

from brnn.config import ConfigError


def require(package: str, key: str, extra: str) -> None:
    """Raises `ConfigError` where a `package`, of an extra of brnn, is not installed; `key` is what needs it."""
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{key} needs the package {package}, which is not installed: pip install brnn[{extra}]")


def evasion_attack(method: str) -> type:
    """The class of an evasion attack of the Adversarial Robustness Toolbox."""
    require("art", "attack=art", "attacks")
    from art.attacks import EvasionAttack, evasion

    known = [name for name, one in vars(evasion).items() if isinstance(one, type) and issubclass(one, EvasionAttack)]
    if method not in known:
        raise ConfigError(f"attack.method must be an evasion attack of ART, got {method!r}: {', '.join(sorted(known))}")
    return getattr(evasion, method)
