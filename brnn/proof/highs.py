"""The solver HiGHS."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.proof.program import Program


def solve_highs(program: Program, seconds: float):
    constraints = LinearConstraint(program.matrix(), lb=np.array(program.least))
    found = milp(
        np.zeros(len(program.low)),
        integrality=np.array(program.whole, int),
        bounds=Bounds(program.low, program.high),
        constraints=constraints,
        options={"time_limit": seconds},
    )
    return {0: BROKEN, 2: CERTIFIED}.get(found.status, UNKNOWN), found.x
