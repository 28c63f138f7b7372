"""Kill a worker and a node of a Ray cluster during a sweep.

Command    python -m experiments.reliability.ray_nodes
Needs      pip install 'brnn[ray]'
Output     how many jobs finished, and how many values were logged twice
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import mlflow
from ray.cluster_utils import Cluster

from experiments.commands import arguments
from experiments.reliability.measured import read_runs, start, summary

EPOCHS, JOBS = 40, 6
SWEEP = [f"seed=range({JOBS})", f"epochs={EPOCHS}", "attack=none", "--multirun"]


def main() -> None:
    """Print the results; the exit code is not 0 if a job did not finish once."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    with tempfile.TemporaryDirectory() as name:
        folder, epochs = Path(name), 0
        launcher = ["hydra/launcher=ray", f"hydra.launcher.address={cluster.address}"]
        sweep = start(folder, *SWEEP, *launcher)
        for line in sweep.stdout:
            epochs += f"/{EPOCHS}  loss" in line
            if epochs == 30:
                worker = _running_process(folder)
                os.kill(worker, signal.SIGKILL)
                print(f"killed worker {worker}", flush=True)
            if epochs == 90:
                cluster.remove_node(second, allow_graceful=False)
                print("killed the second node", flush=True)
                break
        output, errors = sweep.communicate()
        print(output[-1500:], errors[-1500:])
        runs = read_runs(folder)
    cluster.shutdown()
    children, finished, duplicates = summary(runs)
    print(
        f"exit code {sweep.returncode}; {finished} of {children} children finished,"
        f" {duplicates} values twice"
    )
    sys.exit(sweep.returncode or children != JOBS or finished != JOBS or duplicates > 0)


def _running_process(folder: Path) -> int:
    """Return the process id of a running child of the sweep."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("brnn").experiment_id
    runs = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    return next(
        int(run.data.tags["owner"].split(":")[1])
        for run in runs
        if "mlflow.parentRunId" in run.data.tags
    )


if __name__ == "__main__":
    arguments(__doc__)
    main()
