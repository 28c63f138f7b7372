"""Errors of a store as one line."""

import sqlite3
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from brnn.errors import AwayError, TrackingError
from brnn.tracking.sqlite import SQLITE

AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # codes of what a server may take later


@contextmanager
def clear_errors(uri: str):
    """Turns what a store raises into one line that names the store, and tells whether a server is away."""
    try:
        yield
    except (
        MlflowException,
        SQLAlchemyError,
        sqlite3.Error,
        OSError,
        ValueError,
        ImportError,
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remote = not uri.startswith(SQLITE)
        away = (
            isinstance(error, requests.RequestException)
            or getattr(error, "error_code", None) in AWAY
        )
        advice = "check that it can be opened and written, and has room"
        if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
            advice = "check what is asked for, and that it is of this store"
        raise (AwayError if remote and away else TrackingError)(
            f"tracking.uri={uri} failed ({reason}); {advice}"
        ) from error
