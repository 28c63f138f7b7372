"""OR-Tools' CP-SAT, in a process of its own: with TensorFlow in the same one, solving ends in a segmentation fault.

Nothing here imports TensorFlow.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache

BROKEN, CERTIFIED, UNKNOWN = "broken", "certified", "unknown"


def solve(
    low: list[int], high: list[int], rows: list[dict[int, int]], least: list[int], seconds: float
):
    """Whether whole numbers in [low, high] exist for which each row of coefficients sums to at least `least`.

    Returns `broken` and the numbers, `certified` and None where there are none, or `unknown` and None after `seconds`.
    """
    return _worker().submit(_solved, low, high, rows, least, seconds).result()


@cache
def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _solved(low, high, rows, least, seconds):
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
