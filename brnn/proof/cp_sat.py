"""The solver CP-SAT of OR-Tools, for programs of whole numbers.

It runs in a process of its own, since solving ends in a segmentation fault where TensorFlow is
loaded; so nothing here imports TensorFlow.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache

BROKEN, CERTIFIED, UNKNOWN = "broken", "certified", "unknown"


def solve(
    low: list[int], high: list[int], rows: list[dict[int, int]], least: list[int], seconds: float
) -> tuple[str, list[int] | None]:
    """Return a status, and values of the variables if there is a solution.

    Args:
        low: lower bound of each variable.
        high: upper bound of each variable.
        rows: coefficients by variable; each weighted sum must be at least its `least`.
        least: one bound per row.
        seconds: time limit.

    Returns:
        `broken` and values, `certified` and None if there is no solution, or `unknown` and None
        when time is up.
    """
    return _worker().submit(_solved, low, high, rows, least, seconds).result()


@cache
def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _solved(
    low: list[int], high: list[int], rows: list[dict[int, int]], least: list[int], seconds: float
) -> tuple[str, list[int] | None]:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    variables = [
        model.new_int_var(a, b, f"v{i}") for i, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    for row, bound in zip(rows, least, strict=True):
        total = cp_model.LinearExpr.weighted_sum([variables[i] for i in row], list(row.values()))
        model.add(total >= bound)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return BROKEN, [solver.value(variable) for variable in variables]
    return (CERTIFIED if status == cp_model.INFEASIBLE else UNKNOWN), None
