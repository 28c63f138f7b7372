"""URIs of SQLite files, as SQLAlchemy reads them: `sqlite:///path?option=value`."""

from pathlib import Path

import sqlalchemy

from brnn.errors import TrackingError

SQLITE = "sqlite:///"


def is_sqlite(uri: str) -> bool:
    """Return whether a URI is that of a SQLite file."""
    return uri.startswith(SQLITE)


def path_of(uri: str) -> Path:
    """Return the file of a SQLite URI."""
    return Path(sqlalchemy.make_url(uri).database or "")


def uri_of(path: Path) -> str:
    """Return the URI of a SQLite file; % and ? in its path are encoded where it is necessary.

    Raises:
        TrackingError: the path has a character that SQLAlchemy cannot read in a URI.
    """
    literal = str(path)
    for text in (literal, literal.replace("%", "%25").replace("?", "%3F")):
        if path_of(f"{SQLITE}{text}") == path:
            return f"{SQLITE}{text}"
    raise TrackingError(
        f"{path}: SQLAlchemy {sqlalchemy.__version__} cannot open a file whose path has a ?;"
        " choose another folder"
    )


def absolute(uri: str) -> str:
    """Return a URI whose SQLite file does not depend on the working directory."""
    if not is_sqlite(uri):
        return uri
    _, mark, options = uri.partition("?")
    return f"{uri_of(path_of(uri).resolve())}{mark}{options}"


def is_absent(uri: str) -> bool:
    """Return whether a SQLite file does not exist yet."""
    return is_sqlite(uri) and not path_of(uri).exists()
