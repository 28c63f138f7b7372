"""Solvers run in a process that shares nothing with the script of the user but its answers."""

import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest

from brnn.errors import SolverError
from brnn.proof import worker

needs_ortools = pytest.mark.skipif(not importlib.util.find_spec("ortools"), reason="needs ortools")

SCRIPT = """
print("imported")
from brnn.proof import worker
print(worker.solve("{solver}", *{arguments})[0])
"""
WHOLE = ([0], [1], [({0: 1}, 1, None, True)], 5.0)  # z in {0, 1}, z >= 1
NOISY = """
import os
from brnn.proof import highs, worker
highs.solve_highs = lambda: os.system("echo noise") or print("noise") or 7
worker.serve()
"""


@needs_ortools
def test_a_script_without_a_guard_is_not_imported_again():
    script = SCRIPT.format(solver="cp_sat", arguments=WHOLE)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["imported", "broken"], done.stderr


def test_what_a_solver_prints_does_not_reach_the_standard_output():
    call = pickle.dumps(("highs", ()))
    done = subprocess.run(
        [sys.executable, "-c", NOISY], input=call, capture_output=True, check=True
    )
    assert pickle.loads(done.stdout) == 7


def test_an_answer_is_that_of_the_solver():
    arguments = ([0.0], [1.0], [True], np.ones((1, 1)), np.ones(1), 5.0)
    status, values = worker.solve("highs", *arguments)
    assert (status, values.tolist()) == ("broken", [1])
    status, values = worker.solve("highs", *arguments[:4], np.full(1, 2.0), 5.0)
    assert (status, values) == ("certified", None)


@needs_ortools
def test_a_program_that_cp_sat_refuses_is_an_error():
    with pytest.raises(SolverError, match="cp_sat refuses the program"):
        worker.solve("cp_sat", [0], [2**62], [({0: 2**62}, 1, None, True)], 5.0)


def test_a_solver_that_ends_is_an_error_and_the_next_call_has_another():
    worker._process(worker.os.getpid()).kill()
    with pytest.raises(SolverError, match="its process ended"):
        worker.solve("highs")
    with pytest.raises(SolverError, match="failed: TypeError"):
        worker.solve("highs")
