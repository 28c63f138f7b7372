"""Checks of the formats that a net is to be exported in, before anything is trained or loaded."""

from brnn.config import groups, signatures
from brnn.errors import require


def check_formats(names: list[str]) -> None:
    """Check that formats exist, and that the packages that their modules name are installed.

    A module of formats names as `PACKAGES` what it imports, and as `EXTRA` what installs it.

    Raises:
        ConfigError: a format does not exist, or a package is missing.
    """
    for name in names:
        module, _ = groups.locate("format", groups.option("format", name)["name"], [])
        for package in signatures.constant(module, "PACKAGES", ()):
            require(package, f"format={name}", signatures.constant(module, "EXTRA", ""))
