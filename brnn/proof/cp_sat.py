"""The solver CP-SAT of OR-Tools, for programs of whole numbers."""

from brnn.errors import SolverError

BROKEN, CERTIFIED, UNKNOWN = "broken", "certified", "unknown"

Row = tuple[dict[int, int], int, int | None, bool]
"""Coefficients by variable, their least sum, and the variable and value that call for it."""


def solve_cp_sat(
    low: list[int], high: list[int], rows: list[Row], seconds: float
) -> tuple[str, list[int] | None]:
    """Return a status, and values of the variables if there is a solution.

    Args:
        low: lower bound of each variable.
        high: upper bound of each variable.
        rows: the constraints.
        seconds: time limit.

    Returns:
        `broken` and values, `certified` and None if there is no solution, or `unknown` and None
        when time is up.

    Raises:
        SolverError: CP-SAT refuses the program.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    signs = {sign for _, _, sign, _ in rows if sign is not None}
    variables = [
        model.new_bool_var(f"v{i}") if i in signs else model.new_int_var(a, b, f"v{i}")
        for i, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    for row, least, sign, value in rows:
        total = cp_model.LinearExpr.weighted_sum([variables[i] for i in row], list(row.values()))
        constraint = model.add(total >= least)
        if sign is not None:
            literal = variables[sign]
            constraint.only_enforce_if(literal if value else literal.negated())
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status == cp_model.MODEL_INVALID:
        raise SolverError(f"attack.solver=cp_sat refuses the program: {model.validate()}")
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return BROKEN, [solver.value(variable) for variable in variables]
    return (CERTIFIED if status == cp_model.INFEASIBLE else UNKNOWN), None
