"""Programs minimized by HiGHS."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from brnn.proof.cases import Problem

ROUNDING = 1e-12  # relative, of sums in float64


class Minimum(NamedTuple):
    """What is known of a program.

    Attributes:
        bound: no solution costs less; infinity if there is none.
        values: those of a solution, or None.
    """

    bound: float
    values: np.ndarray | None


def minimize(problem: Problem, integers: bool, seconds: float) -> Minimum:
    """Bound a program by its relaxation, or look for a solution that costs no more than its limit.

    The bound of a relaxation is computed from the solver's dual values, of which any give a bound:
    it holds whatever their rounding. A claim that there is no solution in integers rests on HiGHS,
    whose tolerance of 1e-6 is far below what the rows are relaxed by.

    Args:
        problem: the program.
        integers: whether to solve it in integers, up to the first solution within the limit.
        seconds: time limit.
    """
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", seconds)
    solver.setOptionValue("mip_max_improving_sols", 1)
    if integers:
        problem = _within_limit(problem)
    solver.passModel(_model(problem, integers))
    solver.run()
    status = solver.getModelStatus()
    solution = solver.getSolution()
    if not integers:
        duals = np.array(solution.row_dual)
        values = np.array(solution.col_value) if solution.value_valid else None
        return Minimum(safe_bound(problem, duals) if solution.dual_valid else -np.inf, values)
    if status == highspy.HighsModelStatus.kInfeasible:
        return Minimum(np.inf, None)
    values = np.array(solution.col_value) if solution.value_valid else None
    return Minimum(solver.getInfo().mip_dual_bound, values)


def safe_bound(problem: Problem, duals: np.ndarray) -> float:
    """Return a lower bound on the cost: weak duality, rounded outward.

    y @ least + sum over v of min(cost - y @ rows, 0) * width, for any y >= 0.

    References:
        Neumaier and Shcherbina 2004, Mathematical Programming 99.
    """
    duals = np.maximum(duals, 0.0)
    reduced = problem.cost - duals @ problem.rows
    size = np.abs(problem.cost) + duals @ abs(problem.rows)
    reduced -= ROUNDING * size
    bound = duals @ problem.least + np.minimum(reduced, 0.0) @ problem.width
    total = duals @ np.abs(problem.least) + np.abs(reduced) @ problem.width
    return float(bound + problem.constant - ROUNDING * (total + abs(problem.constant)))


def _within_limit(problem: Problem) -> Problem:
    """Return a program with the row that its cost is at most its limit."""
    rows = csr_array(vstack([problem.rows, csr_array(-problem.cost[None])]))
    return replace(
        problem, rows=rows, least=np.append(problem.least, problem.constant - problem.limit)
    )


def _model(problem: Problem, integers: bool) -> Any:
    import highspy

    model, count = highspy.HighsLp(), len(problem.cost)
    model.num_col_, model.num_row_ = count, len(problem.least)
    model.col_cost_, model.offset_ = problem.cost, problem.constant
    model.col_lower_, model.col_upper_ = np.zeros(count), problem.width
    model.row_lower_ = problem.least
    model.row_upper_ = np.full(len(problem.least), highspy.kHighsInf)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = problem.rows.indptr
    model.a_matrix_.index_ = problem.rows.indices
    model.a_matrix_.value_ = problem.rows.data
    if integers:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[int(whole)] for whole in problem.whole]
    return model
