"""Kill a tracking server during a run, and start it again after 30 seconds.

Command    python -m experiments.reliability.server [store]     (SQLite; or postgresql+psycopg2://…)
Output     status, epochs and values of the run afterwards, and how many values were logged twice
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from experiments.commands import arguments
from experiments.reliability.measured import read_runs, start

PORT, EPOCHS, AWAY = 5077, 400, 30  # AWAY: seconds without a server


def main(uri: str) -> None:
    """Print the results; the exit code is 1 if the run is not complete."""
    with tempfile.TemporaryDirectory() as name:
        folder, address = Path(name), f"http://127.0.0.1:{PORT}"
        server = _serve(folder, uri)
        overrides = ["attack=none", f"tracking.uri={address}", "compiled=false"]
        process = start(folder, f"epochs={EPOCHS}", *overrides)
        line = next((line for line in process.stdout if "epoch 20/" in line), "")
        os.killpg(server.pid, signal.SIGKILL)
        print(f"server killed: {line.strip()}", flush=True)
        time.sleep(AWAY)
        server = _serve(folder, uri)
        print("server started again", flush=True)
        _, errors = process.communicate()
        sync = [sys.executable, "-m", "brnn", "sync"]
        synced = subprocess.run(sync, cwd=folder, capture_output=True, text=True, check=False)
        print(errors, synced.stdout)
        (run,) = read_runs(folder, address)
        os.killpg(server.pid, signal.SIGKILL)
    epochs = sorted(step for key, step in run.values if key == "train/loss")
    print(
        f"{run.status}; {len(run.values)} values; epochs {epochs[0]} to {epochs[-1]},"
        f" {len(epochs)} of them; {run.duplicates} twice"
    )
    complete = run.status == "FINISHED" and epochs == list(range(1, EPOCHS + 1))
    sys.exit(not complete or run.duplicates > 0 or run.weights is None)


def _serve(folder: Path, uri: str) -> subprocess.Popen:
    """Start a tracking server, and return it once it answers."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(PORT)]
    command += ["--backend-store-uri", uri or f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("a") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
            return server
        except OSError:
            time.sleep(0.4)
    raise TimeoutError((folder / "server.log").read_text())


if __name__ == "__main__":
    main(*arguments(__doc__, store=""))
