"""Errors of a tracking store as one line."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from brnn.errors import AwayError, TrackingError
from brnn.paths import masked
from brnn.tracking.sqlite_uri import is_sqlite

CAUGHT = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError, ImportError)
TEMPORARY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # codes of requests worth repeating


@contextmanager
def one_line_errors(uri: str, bad_value: str = "") -> Iterator[None]:
    """Replace the errors of a store by one line that names it.

    Args:
        uri: the tracking URI of the store.
        bad_value: the beginning of the line where the store refuses a value; empty: as otherwise.

    Raises:
        AwayError: a server does not answer, or cannot process the request now.
        TrackingError: any other error.
    """
    try:
        yield
    except CAUGHT as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        code = getattr(error, "error_code", None)
        temporary = isinstance(error, requests.RequestException) or code in TEMPORARY
        if bad_value and code == "INVALID_PARAMETER_VALUE":
            raise TrackingError(masked(f"{bad_value}: {reason}")) from error
        failed = f"tracking.uri={uri} failed ({reason})"
        if temporary and not is_sqlite(uri):
            raise AwayError(masked(f"{failed}; check the address, and that it answers")) from error
        advice = "check that it can be opened and written, and has room"
        if code == "RESOURCE_DOES_NOT_EXIST":
            advice = "check the id and the store"
        raise TrackingError(masked(f"{failed}; {advice}")) from error
