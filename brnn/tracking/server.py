"""The MLflow server of a store, on this machine alone."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from brnn.errors import ConfigError, TrackingError

HOST = "127.0.0.1"
SECONDS = 120  # within which a server must answer


@contextmanager
def serving(uri: str, port: int) -> Iterator[subprocess.Popen]:
    """Serve a store as long as the block runs, from when the server answers.

    Args:
        uri: the tracking URI of the store; it is passed on by the environment, where no other user
            sees its password.
        port: of the server.

    Raises:
        ConfigError: the port is in use.
        TrackingError: the server ends, or does not answer in time.
    """
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise ConfigError(f"port={port} is in use; choose another, as port={port + 1}")
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    settings = {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        [*command, "--workers", "1"],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://{HOST}:{port}/health")
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen, address: str) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TrackingError(
        f"the server at {address} does not answer; try: mlflow server --backend-store-uri …"
    )
