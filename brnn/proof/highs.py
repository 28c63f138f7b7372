"""The solver HiGHS, for programs of real and whole numbers."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.proof.program import Program

STATUSES = {0: BROKEN, 2: CERTIFIED}  # SciPy's: 0 solved, 2 infeasible; others are undecided


def solve_highs(program: Program, seconds: float) -> tuple[str, np.ndarray | None]:
    """Return a status, and values of the variables if there is a solution.

    Constraints hold up to HiGHS' tolerance of 1e-6.
    """
    result = milp(
        np.zeros(len(program.low)),
        integrality=np.array(program.whole, int),
        bounds=Bounds(program.low, program.high),
        constraints=LinearConstraint(program.matrix(), lb=np.array(program.least)),
        options={"time_limit": seconds},
    )
    return STATUSES.get(result.status, UNKNOWN), result.x
