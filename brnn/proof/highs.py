"""The solver HiGHS, for programs of real and whole numbers."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN

STATUSES = {0: BROKEN, 2: CERTIFIED}  # SciPy's: 0 solved, 2 infeasible; others are undecided


def solve_highs(
    low: list[float],
    high: list[float],
    whole: list[bool],
    matrix: np.ndarray,
    least: np.ndarray,
    seconds: float,
) -> tuple[str, np.ndarray | None]:
    """Return a status, and values of the variables if there is a solution.

    Constraints hold up to HiGHS' tolerance of 1e-6.

    Args:
        low: lower bound of each variable.
        high: upper bound of each variable.
        whole: which are whole numbers.
        matrix: coefficients (rows, variables).
        least: lower bound of each row.
        seconds: time limit.
    """
    result = milp(
        np.zeros(len(low)),
        integrality=np.array(whole, int),
        bounds=Bounds(low, high),
        constraints=LinearConstraint(matrix, lb=least),
        options={"time_limit": seconds},
    )
    return STATUSES.get(result.status, UNKNOWN), result.x
