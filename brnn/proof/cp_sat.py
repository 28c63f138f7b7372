"""The solver CP-SAT of OR-Tools, for programs of whole numbers."""

import numpy as np

from brnn.errors import ConfigError, SolverError, require
from brnn.proof.cases import Problem, within_limit
from brnn.proof.highs import Minimum

FINEST = 2.0**20  # steps of the largest coefficient of a row that is not whole
LARGEST = 2.0**31  # sum of the sizes in a row


def check_solver(prefix: str, solver: str, pixels: str) -> None:
    """Check that a solver is installed, and can decide about some pixels.

    Args:
        prefix: of the keys, for messages, such as `attack.`.
        solver: `highs` or `cp_sat`.
        pixels: `real` or `whole`.

    Raises:
        ConfigError: it is not, or cannot.
    """
    if solver == "cp_sat":
        require("ortools", f"{prefix}solver=cp_sat", "exact")
        if pixels != "whole":
            raise ConfigError(
                f"{prefix}solver=cp_sat needs {prefix}pixels=whole, got {pixels}; use highs"
            )


def cp_sat(problem: Problem, seconds: float) -> Minimum:
    """Look for a solution that costs no more than a program's limit.

    CP-SAT computes in whole numbers, so that its claim that there is none has no tolerance. A row
    of real coefficients is multiplied by a power of two and rounded outward, which adds solutions
    and takes none away, since no variable is negative.

    Args:
        problem: the program.
        seconds: time limit.

    Raises:
        ConfigError: a variable is a real number, a pixel or the positive part of a sum.
        SolverError: CP-SAT refuses the program.
    """
    from ortools.sat.python import cp_model

    if not problem.whole.all():
        raise ConfigError(
            "solver=cp_sat needs whole variables, but real pixels and open PReLUs are real:"
            " use solver=highs"
        )
    model = cp_model.CpModel()
    columns = [model.new_int_var(0, int(width), f"v{i}") for i, width in enumerate(problem.width)]
    problem = within_limit(problem)
    matrix = problem.rows
    for number, least in enumerate(problem.least):
        row = slice(matrix.indptr[number], matrix.indptr[number + 1])
        weights, bound = whole_row(matrix.data[row], least)
        variables = [columns[i] for i in matrix.indices[row]]
        model.add(cp_model.LinearExpr.weighted_sum(variables, weights) >= bound)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status == cp_model.MODEL_INVALID:
        raise SolverError(f"solver=cp_sat refuses the program: {model.validate()}")
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Minimum(-np.inf, np.array([solver.value(v) for v in columns], "float64"))
    return Minimum(np.inf if status == cp_model.INFEASIBLE else -np.inf, None)


def whole_row(weights: np.ndarray, least: float) -> tuple[list[int], int]:
    """Return a row of whole numbers that all whole solutions >= 0 of a row fulfil.

    Args:
        weights: coefficients of a row weights @ v >= least.
        least: its bound.
    """
    factor = 1.0
    if not (weights == np.rint(weights)).all() or np.abs(weights).sum() > LARGEST:
        factor = 2.0 ** np.floor(np.log2(FINEST / np.abs(weights).max()))
    whole = np.ceil(weights * factor).astype("int64").tolist()
    bound = np.floor(least * factor) if factor != 1.0 else np.ceil(least)
    return whole, int(bound)
