"""Ray: a sweep on a real cluster of two nodes; it needs the extra ray and takes two minutes."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_a_node_ends_every_job_once():
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "experiments.reliability.ray_nodes"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "killed the second node" in done.stdout
    assert "6 of 6 children finished, 0 values twice" in done.stdout
