"""The solver HiGHS: bounds of programs by their relaxations, and solutions in integers."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from brnn.errors import SolverError
from brnn.proof.cases import Problem, within_limit

DUST = 1e-8  # coefficients below it are left out
ROUNDING = 1e-12  # relative, of sums in float64


class Minimum(NamedTuple):
    """What is known of a program.

    Attributes:
        bound: no solution costs less; infinity if there is none.
        values: those of a solution, or None.
    """

    bound: float
    values: np.ndarray | None


def relaxation(problem: Problem, seconds: float) -> Minimum:
    """Bound a program without the demand of whole numbers.

    The bound is computed from the solver's dual values. Any values give a bound, so that it holds
    whatever their rounding.

    Args:
        problem: the program.
        seconds: time limit.
    """
    solver = _solved(problem, False, seconds)
    solution = solver.getSolution()
    duals = np.array(solution.row_dual)
    values = np.array(solution.col_value) if solution.value_valid else None
    return Minimum(safe_bound(problem, duals) if solution.dual_valid else -np.inf, values)


def highs(problem: Problem, seconds: float) -> Minimum:
    """Look for a solution in integers that costs no more than a program's limit.

    A claim that there is none rests on HiGHS, whose tolerance of 1e-6 is far below what the rows
    are relaxed by.

    Args:
        problem: the program.
        seconds: time limit.
    """
    import highspy

    if not problem.whole.any():
        return relaxation(problem, seconds)
    solver = _solved(within_limit(problem), True, seconds)
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return Minimum(np.inf, None)
    solution = solver.getSolution()
    values = np.array(solution.col_value) if solution.value_valid else None
    failed = solver.getModelStatus() == highspy.HighsModelStatus.kSolveError
    return Minimum(-np.inf if failed else solver.getInfo().mip_dual_bound, values)


def _solved(problem: Problem, integers: bool, seconds: float) -> Any:
    """Return HiGHS after it solved a program, up to the first solution.

    A solution that violates the program once presolving is undone is an error in HiGHS, so that it
    is solved again without presolving. What is left of such an error is no bound.
    """
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", seconds)
    solver.setOptionValue("mip_max_improving_sols", 1)
    if solver.passModel(_model(problem, integers)) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refuses a program: its numbers are too large")
    if solver.run() == highspy.HighsStatus.kError:
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        solver.run()
    return solver


def _without_dust(problem: Problem) -> Problem:
    """Return a program without coefficients next to 0, whose rows are relaxed by these."""
    rows = problem.rows.copy()
    dust = np.abs(rows.data) < DUST
    if not dust.any():
        return problem
    small = rows.copy()
    small.data = np.where(dust, np.maximum(rows.data, 0.0), 0.0)
    rows.data = np.where(dust, 0.0, rows.data)
    rows.eliminate_zeros()
    return replace(problem, rows=rows, least=problem.least - small @ problem.width)


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


def write(problem: Problem, path: str) -> None:
    """Write a program as `.lp` or `.mps`.

    Raises:
        SolverError: the file cannot be written.
    """
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(_model(problem, True))
    if solver.writeModel(path) == highspy.HighsStatus.kError:
        raise SolverError(f"program={path} cannot be written")


def _model(problem: Problem, integers: bool) -> Any:
    """Return a program for HiGHS, which drops coefficients below 1e-9: its rows are relaxed."""
    import highspy

    problem = _without_dust(problem)
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
