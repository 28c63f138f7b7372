"""Locations in a configuration: `~` in them is the home folder of the user."""

from typing import Any

from brnn import paths


def expand_home(options: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the home folder for `~` in the paths of store and checkpoints.

    Values of other types are kept, for `check` to refuse.
    """
    tracking = options["tracking"]
    if isinstance(tracking, dict):
        tracking = tracking | {"uri": _expanded(tracking.get("uri"))}
    return options | {"checkpoints": _expanded(options["checkpoints"]), "tracking": tracking}


def _expanded(value: Any) -> Any:
    return paths.expanded(value) if isinstance(value, str) else value
