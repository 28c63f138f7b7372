"""Passwords of tracking URIs: never stored, and taken from the environment."""

import os

from brnn.errors import TrackingError
from brnn.paths import masked

VARIABLE = "MLFLOW_TRACKING_URI"


def with_password(uri: str, known: str = "") -> str:
    """Return a tracking URI with its password.

    Args:
        uri: perhaps with a mask in place of its password, as runs and spools store it.
        known: the URI of the open store, if there is one; the environment may have it as well.

    Raises:
        TrackingError: the password is in neither.
    """
    for candidate in (known, os.environ.get(VARIABLE, "")):
        if candidate and masked(candidate) == uri:
            return candidate
    if ":***@" in uri or "password=***" in uri:
        raise TrackingError(
            f"the password of {uri} is not stored; set {VARIABLE} to the URI with its password"
        )
    return uri
