"""Kills a worker and a node of a Ray cluster during a sweep: python -m experiments.reliability.ray_nodes."""

import os
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import mlflow
from ray.cluster_utils import Cluster

from experiments.reliability.measured import begin, describe

EPOCHS, JOBS = 40, 6


def main() -> None:
    """Prints how many jobs finished, and how many values are there twice."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        arguments = [
            f"seed=range({JOBS})",
            f"epochs={EPOCHS}",
            "attack=none",
            "--multirun",
            "hydra/launcher=ray",
        ]
        sweep, seen = begin(place, *arguments, f"hydra.launcher.address={cluster.address}"), 0
        for line in sweep.stdout:
            seen += f"/{EPOCHS}  loss" in line
            if seen == 30:
                worker = _owner(place)
                os.kill(worker, signal.SIGKILL)
                print(f"killed worker {worker}", flush=True)
            if seen == 90:
                cluster.remove_node(second, allow_graceful=False)
                print("killed the second node", flush=True)
                break
        out, errors = sweep.communicate()
        print(out[-1500:], errors[-1500:])
        runs = describe(place)
    cluster.shutdown()
    children = [one for one in runs if one[1]]
    finished, twice = sum(one[0] == "FINISHED" for one in children), sum(one[2] for one in children)
    print(
        f"exit code {sweep.returncode}; {finished} of {len(children)} children finished, {twice} values twice"
    )
    sys.exit(sweep.returncode or len(children) != JOBS or finished != JOBS or twice)


def _owner(place):
    client = mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db")
    experiment = client.get_experiment_by_name("brnn").experiment_id
    runs = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    return next(
        int(r.data.tags["owner"].split(":")[1]) for r in runs if "mlflow.parentRunId" in r.data.tags
    )


if __name__ == "__main__":
    main()
