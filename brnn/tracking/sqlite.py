"""SQLite stores: created once, under a lock."""

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # else imported as a store is opened, when that takes longer
import sqlalchemy

from brnn import locks

SQLITE = "sqlite:///"


def is_absent(uri: str) -> bool:
    """Whether a SQLite store has no file yet."""
    return uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists()


def absolute(uri: str) -> str:
    """A SQLite URI with the absolute path of its file: a relative one would follow the working directory."""
    if not uri.startswith(SQLITE):
        return uri
    return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve())


@contextmanager
def locked_store(uri: str):
    if not uri.startswith(SQLITE):
        if uri.startswith(("postgresql", "mysql")):
            with sqlalchemy.create_engine(uri, connect_args={"connect_timeout": 5}).connect():
                pass  # fails at once, where MLflow would try again for minutes
        yield
        return
    path = Path(uri.removeprefix(SQLITE))
    with locks.locked(path):
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            create(path)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")  # the same
        yield


def create(path: Path) -> None:
    """Creates a SQLite store under another name first.

    MLflow cannot open one that a crash left half made.
    """
    new = path.with_name(f"{path.name}.new")
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)
    mlflow.MlflowClient(SQLITE + str(new))
    new.replace(path)
