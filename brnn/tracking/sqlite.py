"""SQLite stores: created once, under a lock."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # slower if imported while a store is opened

from brnn import locks
from brnn.tracking.sqlite_uri import SQLITE, path_of, uri_of


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
        _remove_undecoded_folder(uri)


def _remove_undecoded_folder(uri: str) -> None:
    """Remove the empty folder that MLflow creates where the path in a URI has encoded characters.

    It takes the text of the URI for the path of the file.
    """
    folder = Path(uri.removeprefix(SQLITE)).parent
    if folder != path_of(uri).parent:
        with suppress(OSError):  # it is missing, or a folder of the user
            os.removedirs(folder)


def _create(path: Path) -> None:
    """Create a SQLite store under another name, then rename it.

    MLflow cannot open a file whose creation was interrupted.
    """
    new = path.with_name(f"{path.name}.new")
    for interrupted in (new, new.with_name(f"{new.name}-journal")):
        interrupted.unlink(missing_ok=True)
    uri = uri_of(new)
    mlflow.MlflowClient(uri)
    new.replace(path)
