"""What the processes of a sweep write, sent to the process that has the terminal.

A message is one write of at most `select.PIPE_BUF` bytes, which the system does not mix with
others: a lock could stay with a process that is killed.
"""

import io
import json
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_LONGEST = 500  # characters of a text in one message, of at most 6 bytes each

Message = dict[str, Any]
"""`text` and `error` (whether for stderr); or `process`, `name`, `share` and `status`."""


class Relay(io.TextIOBase):
    """The stdout or stderr of a process of a sweep."""

    def __init__(self, connection: Connection, error: bool):
        self._connection = connection
        self._error = error

    def write(self, text: str) -> int:
        """Send a text, in pieces."""
        for start in range(0, len(text), _LONGEST):
            self._send({"text": text[start : start + _LONGEST], "error": self._error})
        return len(text)

    def show(self, name: str, share: float, status: str) -> None:
        """Send the progress of a job: the share of it that is done, in [0, 1], and a text."""
        facts = {"name": name[:_LONGEST], "share": share, "status": status[:100]}
        self._send({"process": os.getpid(), **facts})

    def _send(self, message: Message) -> None:
        self._connection.send_bytes(json.dumps(message).encode())


def received(connection: Connection, on_message: Callable[[Message], None]) -> None:
    """Call a function with each message that has arrived."""
    while connection.poll():
        on_message(json.loads(connection.recv_bytes()))
