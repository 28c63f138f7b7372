"""Solvers run in a process that shares nothing with the script of the user but its answers."""

import importlib.util
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from brnn.errors import SolverError
from brnn.proof import worker
from brnn.proof.cases import Problem
from brnn.proof.cp_sat import whole_row

needs_ortools = pytest.mark.skipif(not importlib.util.find_spec("ortools"), reason="needs ortools")

SCRIPT = """
print("imported")
import pickle
from brnn.proof import worker
print(worker.solve("cp_sat", pickle.loads({program}), 5.0).values.tolist())
"""
NOISY = """
import os
from brnn.proof import highs, worker
def noisy():
    return os.system("echo noise") or print("noise") or 7
noisy.__name__ = "highs"
highs.highs = noisy
worker.serve()
"""


def program(least=1.0, width=1.0, weight=1.0):
    """A whole number z of at most `width`, weight z >= least; the cost is z."""
    one = np.ones(1)
    row = csr_array([[weight]])
    whole, pixels = np.ones(1, bool), np.zeros(0, int)
    return Problem(one, 0.0, row, least * one, width * one, whole, width, pixels)


@needs_ortools
def test_a_script_without_a_guard_is_not_imported_again():
    script = SCRIPT.format(program=pickle.dumps(program()))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["imported", "[1.0]"], done.stderr


def test_what_a_solver_prints_does_not_reach_the_standard_output():
    call = pickle.dumps(("highs", ()))
    done = subprocess.run(
        [sys.executable, "-c", NOISY], input=call, capture_output=True, check=True
    )
    assert pickle.loads(done.stdout) == 7


@pytest.mark.parametrize("solver", ["highs", pytest.param("cp_sat", marks=needs_ortools)])
def test_an_answer_is_that_of_the_solver(solver):
    answer = worker.solve(solver, program(), 5.0)
    assert answer.values.tolist() == [1]
    answer = worker.solve(solver, program(least=2.0), 5.0)
    assert (answer.bound, answer.values) == (np.inf, None)


@needs_ortools
def test_a_program_that_cp_sat_refuses_is_an_error():
    with pytest.raises(SolverError, match="cp_sat refuses the program"):
        worker.solve("cp_sat", program(width=2.0**62, weight=2.0**30), 5.0)


def test_rows_of_real_numbers_are_rounded_outward():
    weights, bound = whole_row(np.array([0.3, -0.7, 0.1]), 0.2)
    for values in itertools.product(range(4), repeat=3):
        if np.array([0.3, -0.7, 0.1]) @ values >= 0.2:
            assert np.array(weights) @ values >= bound
    assert 0.2 - 1e-5 < bound / (weights[0] / 0.3) < 0.2
    assert whole_row(np.array([2.0, -3.0]), 0.999) == ([2, -3], 1)


def test_a_solver_that_ends_is_an_error_and_the_next_call_has_another():
    worker._process(worker.os.getpid()).kill()
    with pytest.raises(SolverError, match="its process ended"):
        worker.solve("highs")
    with pytest.raises(SolverError, match="failed: TypeError"):
        worker.solve("highs")


def test_a_solution_that_presolving_moves_beyond_its_bounds_is_no_error():
    rows = [
        [0, -0.023809499954172437, -0.6428564987626558, 0, 1, 0],
        [-0.04081625031822718, -0.04081625031822718, 0, 0, 0, 1],
        [0, 0.06666666666666667, 0.6, 0, 0, 0],
        [0, -0.06666666666666667, -0.6, -1, 0, 0],
        [0, 0, -1, 1, 0, 0],
    ]
    least = np.array([-0.2142844976627943, -0.9591800152749045, 0.6, -1.6, 0])
    width = np.array([24.0, 24, 1, 1, 1, 1])
    cost, whole = np.array([0.0, 0, 0, 0, 8, 8]), np.array([False] * 3 + [True] * 3)
    pixels = np.arange(2)
    program = Problem(cost, -7.0, csr_array(rows), least, width, whole, 1e-3, pixels)
    minimum = worker.solve("highs", program, 10.0)
    assert minimum.bound == np.inf  # v = (0, 9, 0, 0, 0, 0) misses two rows by 1e-6
