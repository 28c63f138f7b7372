"""Servers that a test starts and kills: MLflow's and PostgreSQL's."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.processes import wait_until

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NO_POSTGRESQL = "no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql"


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class MlflowServer:
    """An MLflow server that keeps artifacts in a folder and runs in a database."""

    def __init__(self, folder: Path, backend: str):
        self.folder = folder
        self.backend = backend
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--port", str(self.port), "--backend-store-uri", self.backend]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | off, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, 120)

    def kill(self) -> None:
        """Kill the server and its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=5)
        except OSError:
            return False
        return True


@contextmanager
def behind_password(uri: str, *accepted: str) -> Iterator[str]:
    """Put a proxy before a server, and yield its host and port.

    Args:
        uri: of the server.
        accepted: headers `Authorization` of the requests to pass on; others are refused.
    """

    class Proxy(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if self.headers["Authorization"] not in accepted:
                self.send_error(401)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            asked = urllib.request.Request(uri + self.path, body or None, kind, method=self.command)
            try:
                answer = urllib.request.urlopen(asked)
            except urllib.error.HTTPError as error:
                answer = error
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    for method in ("GET", "POST", "PUT", "PATCH"):
        setattr(Proxy, f"do_{method}", Proxy.answer)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server, as another user if this one is root; yield its URI."""
    drop = []
    if os.getuid() == 0:
        drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    with tempfile.TemporaryDirectory() as folder:  # which the other user can enter
        if drop:
            shutil.chown(folder, "nobody", "nogroup")
        keys = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        create = [POSTGRESQL[-1] / "initdb", "-D", "data", "-U", "brnn", "-A", "trust"]
        subprocess.run([*drop, *create, "-E", "UTF8", "--no-sync"], check=True, **keys)
        address = ["-h", "127.0.0.1", "-p", str(free_port())]
        serve = [POSTGRESQL[-1] / "postgres", "-D", "data", "-F", *address, "-k", folder]
        process = subprocess.Popen([*drop, *serve], **keys)
        ready = [POSTGRESQL[-1] / "pg_isready", *address, "-q"]
        try:
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0)
            yield f"postgresql+psycopg2://brnn@127.0.0.1:{address[-1]}/postgres"
        finally:
            process.send_signal(signal.SIGQUIT)  # an immediate shutdown
            process.wait()
