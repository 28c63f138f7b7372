"""SQLite stores: created once, under a lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # slower if imported while a store is opened

from brnn import locks

SQLITE = "sqlite:///"


def is_sqlite(uri: str) -> bool:
    """Return whether a tracking URI is that of a SQLite file."""
    return uri.startswith(SQLITE)


def path_of(uri: str) -> Path:
    """Return the file of a SQLite store."""
    return Path(uri.removeprefix(SQLITE))


def is_absent(uri: str) -> bool:
    """Return whether a SQLite store has no file yet."""
    return is_sqlite(uri) and not path_of(uri).exists()


def absolute(uri: str) -> str:
    """Return a URI whose SQLite file does not depend on the working directory."""
    return f"{SQLITE}{path_of(uri).resolve()}" if is_sqlite(uri) else uri


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Hold the lock of a SQLite store, created if its file is missing or empty.

    Processes that migrate the same new file at once would break it.

    Raises:
        sqlite3.Error: the file is not a database, or cannot be read.
    """
    path = path_of(uri)
    with locks.locked(path):
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            _create(path)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")  # fails at once, where MLflow would retry
        yield


def _create(path: Path) -> None:
    """Create a SQLite store under another name, then rename it.

    MLflow cannot open a file whose creation was interrupted.
    """
    new = path.with_name(f"{path.name}.new")
    for interrupted in (new, new.with_name(f"{new.name}-journal")):
        interrupted.unlink(missing_ok=True)
    mlflow.MlflowClient(f"{SQLITE}{new}")
    new.replace(path)
