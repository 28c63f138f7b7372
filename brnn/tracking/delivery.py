"""Delivery of spools to their server."""

from pathlib import Path

import mlflow

from brnn.errors import TrackingError
from brnn.terminal import lines
from brnn.tracking.passwords import with_password
from brnn.tracking.records import send
from brnn.tracking.spool import append, emptied
from brnn.tracking.tag_names import REFUSED


def deliver(spool: Path, uri: str = "") -> int:
    """Send the records of a spool and remove it; sending twice changes nothing.

    A record that the server refuses does not block the others: the run is tagged with the error,
    and the record is moved to `refused_path(spool)`.

    Args:
        spool: its file.
        uri: the URI of the store, with its password; by default that of the spool.

    Returns:
        The number of accepted records.

    Raises:
        TrackingError: the password of the store is unknown, or the server accepts neither a record
            nor the tag; the spool stays. If the server does not answer, it is an `AwayError`.
    """
    with emptied(spool) as (header, records):
        client = mlflow.MlflowClient(with_password(header.get("uri", ""), uri))
        refused = []
        for record in records:
            try:
                send(client, header["run"], record)
            except TrackingError as error:
                send(client, header["run"], {"tags": {REFUSED: str(error)}})
                lines.warning(f"{error}; the record is moved to {refused_path(spool)}")
                refused.append(record)
        append(refused_path(spool), header, *refused)
    return len(records) - len(refused)


def refused_path(spool: Path) -> Path:
    """Return the file of the records that the server refused, of the format of a spool."""
    return spool.with_suffix(".refused")
