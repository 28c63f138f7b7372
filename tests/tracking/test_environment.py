"""MLflow's environment: set before MLflow is imported, unless the user has set it."""

import os
import subprocess
import sys

import pytest

PRINT_LEVEL = """
import logging
import brnn.tracking.store
print(logging.getLevelName(logging.getLogger("mlflow").level))
"""


@pytest.mark.parametrize(("given", "level"), [(None, "CRITICAL"), ("ERROR", "ERROR")])
def test_mlflow_logs_nothing_unless_the_user_wants_it(given, level):
    environment = {key: v for key, v in os.environ.items() if key != "MLFLOW_LOGGING_LEVEL"}
    if given:
        environment["MLFLOW_LOGGING_LEVEL"] = given
    command = [sys.executable, "-c", PRINT_LEVEL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == level
