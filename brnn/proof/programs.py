"""Programs in files, for other solvers: `.lp`, `.mps`, `.opb` in binaries, and `.cnf` in clauses.

A program has a solution for every counterexample of its case. If there is none, the case is
excluded; a solution is a candidate, which `brnn verify` would run through the net.

References:
    opb: Roussel and Manquinho 2012, Input/Output Format and Solver Requirements for the
    Competitions of Pseudo-Boolean Solvers.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from brnn import writing
from brnn.errors import ConfigError
from brnn.proof import worker
from brnn.proof.cases import Network, Problem, within_limit
from brnn.proof.cp_sat import whole_row
from brnn.proof.dimacs import dimacs
from brnn.proof.integer_net import IntegerNet
from brnn.proof.vnnlib import Case, Property

SUFFIXES = (".lp", ".mps", ".opb", ".cnf")


def write(net: IntegerNet, given: Property, whole: bool, path: Path) -> list[Path]:
    """Write the program of each case that interval bounds leave open, and return the files.

    Args:
        net: the net.
        given: the property.
        whole: whether inputs are whole numbers only.
        path: of the files, before whose suffix the outputs of the case are put.

    Raises:
        ConfigError: the suffix is another one, the folder does not exist, or the format cannot
            state the numbers.
        SolverError: a file cannot be written, or a program is too large for memory.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"program={path} must end with one of {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise ConfigError(f"program={path} must be in a folder that exists")
    network = Network(net, *given.box(whole), whole, given.ball)
    files = []
    for case in given.cases:
        if network.is_possible(case):
            name = "_".join(f"{part.larger}-{part.smaller}" for part in case)
            files.append(path.with_name(f"{path.stem}_{name}{path.suffix}"))
            _write(network, case, files[-1])
    return files


def _write(network: Network, case: Case, path: Path) -> None:
    if path.suffix == ".cnf":
        _write_lines(dimacs(network, case), path)
        return
    problem = within_limit(network.problem(case))
    if path.suffix == ".opb":
        _write_lines(_opb(problem), path)
    else:
        worker.solve("write", problem, str(path.resolve()))


def _write_lines(lines: Iterator[str], path: Path) -> None:
    with writing.whole(path) as file:
        for line in lines:
            file.write(f"{line}\n".encode())


def _opb(problem: Problem) -> Iterator[str]:
    """Yield the lines of a program in binaries.

    Raises:
        ConfigError: a variable is a real number.
    """
    if not problem.whole.all():
        raise ConfigError(
            "program=….opb needs whole variables: add pixels=whole; an open PReLU cannot be written"
        )
    bits = [int(width).bit_length() for width in problem.width]
    first = np.concatenate([[1], 1 + np.cumsum(bits)])
    matrix = problem.rows
    rows = [
        whole_row(matrix.data[row], least)
        for row, least in zip(_slices(matrix.indptr), problem.least, strict=True)
    ]
    columns = [matrix.indices[row] for row in _slices(matrix.indptr)]
    for number, (width, count) in enumerate(zip(problem.width, bits, strict=True)):
        if int(width) != 2**count - 1:
            rows.append(([-1], -int(width)))
            columns.append(np.array([number]))
    yield f"* #variable= {first[-1] - 1} #constraint= {len(rows)}"
    for (weights, least), variables in zip(rows, columns, strict=True):
        terms = [
            f"{weight << bit:+d} x{first[variable] + bit}"
            for weight, variable in zip(weights, variables, strict=True)
            for bit in range(bits[variable])
        ]
        yield f"{' '.join(terms)} >= {least} ;"


def _slices(starts: np.ndarray) -> Iterator[slice]:
    return (slice(a, b) for a, b in pairwise(starts.tolist()))
