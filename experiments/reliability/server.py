"""Stops a tracking server for 30 s during a run: python -m experiments.reliability.server [store URI, as postgresql://…]."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from experiments.reliability.measured import begin, describe

PORT, EPOCHS, AWAY = 5077, 400, 30


def main(uri: str | None) -> None:
    """Prints how many metrics of how many epochs are there afterwards, and how many twice."""
    with tempfile.TemporaryDirectory() as folder:
        place, address = Path(folder), f"http://127.0.0.1:{PORT}"
        server = _serve(place, uri)
        run = begin(
            place, f"epochs={EPOCHS}", "attack=none", f"tracking.uri={address}", "compiled=false"
        )
        for line in run.stdout:
            if "epoch 20/" in line:
                break
        os.killpg(server.pid, signal.SIGKILL)
        print(f"server killed: {line.strip()}", flush=True)
        time.sleep(AWAY)
        server = _serve(place, uri)
        print("server started again", flush=True)
        _, errors = run.communicate()
        synced = subprocess.run(
            [sys.executable, "-m", "brnn", "sync"],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        print(errors, synced.stdout)
        ((status, values, twice, weights),) = describe(place, address)
        os.killpg(server.pid, signal.SIGKILL)
    epochs = sorted(step for key, step in values if key == "train/loss")
    print(
        f"{status}; {len(values)} values; epochs {epochs[0]} to {epochs[-1]}, {len(epochs)} of them; {twice} twice"
    )
    sys.exit(
        status != "FINISHED" or epochs != list(range(1, EPOCHS + 1)) or twice or weights is None
    )


def _serve(place, uri):
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(PORT)]
    command += ["--backend-store-uri", uri or f"sqlite:///{place}/mlflow.db"]
    command += ["--artifacts-destination", str(place / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (place / "server.log").open("a") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
            return server
        except OSError:
            time.sleep(0.4)
    raise TimeoutError((place / "server.log").read_text())


if __name__ == "__main__":
    main(*(sys.argv[1:] or [None]))
