"""Where the configuration and the user's caches are."""

import os
from functools import cache
from pathlib import Path


@cache
def conf() -> Path:
    """Return the folder `conf`: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    candidates = (package / "conf", package.parent / "conf")
    return next(path for path in candidates if (path / "config.yaml").is_file())


def user_cache() -> Path:
    """Return the user's cache folder of this package; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brnn"
