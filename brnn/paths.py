"""Locations: of the configuration, of the user's caches, and those that a user states."""

import os
import re
from functools import cache
from pathlib import Path

_USER = re.compile(r"(?<=://)([^\s/:@]*):(?:[^\s/]*|[^\s@]*)@")  # a password may have @ or /
_OPTION = re.compile(r"([?&]\w*password=)[^\s&'\"]*")


@cache
def conf() -> Path:
    """Return the folder `conf`: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    candidates = (package / "conf", package.parent / "conf")
    return next(path for path in candidates if (path / "config.yaml").is_file())


def expanded(location: str) -> str:
    """Return a path, or the URI of a file, with `~` as the home folder; others as they are."""
    parts = re.match(r"(sqlite:///|file:/*|)(~[^/]*)(.*)", location, re.DOTALL)
    if parts is None:
        return location
    return parts[1] + os.path.expanduser(parts[2]) + parts[3]


def masked(text: str) -> str:
    """Return a text with `***` in place of the passwords of its URIs."""
    return _OPTION.sub(r"\1***", _USER.sub(r"\1:***@", text))


def user_cache() -> Path:
    """Return the user's cache folder of this package; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brnn"
