"""A process for the solvers.

CP-SAT ends in a segmentation fault where TensorFlow is loaded, and HiGHS prints to the standard
output. So they run in a Python of their own, which imports neither TensorFlow nor the script of
the user, and whose standard output goes nowhere.
"""

import atexit
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from brnn.errors import BrnnError, SolverError

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from brnn.proof import worker; worker.serve()"
)


def solve(solver: str, *arguments: Any) -> Any:
    """Return what `solver` returns for these arguments, which are pickled.

    Args:
        solver: `relaxation`, `highs`, `cp_sat` or `write`, the name of its function.
        *arguments: of the function.

    Raises:
        SolverError: the solver refuses the program, or its process ended.
    """
    process = _process(os.getpid())
    pipes = process.stdin, process.stdout
    try:
        pickle.dump((solver, arguments), pipes[0])
        pipes[0].flush()
        answer = pickle.load(pipes[1])
    except (EOFError, OSError) as error:
        _end(process)
        raise SolverError(
            f"solver {solver}: its process ended with code {process.returncode}, perhaps for"
            " want of memory"
        ) from error
    except BaseException:  # an interruption, after which the answer would be that of another call
        _end(process)
        raise
    if isinstance(answer, Exception):
        raise answer
    return answer


def serve() -> None:
    """Answer calls of `solve` from the standard input until it is closed."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # also for what is not Python
    try:
        while True:
            solver, arguments = pickle.load(calls)
            pickle.dump(_answer(solver, arguments), answers)
            answers.flush()
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        os._exit(0)  # without a message of an interruption that the caller handles


def _answer(solver: str, arguments: tuple) -> Any:
    from brnn.proof.cp_sat import cp_sat
    from brnn.proof.highs import highs, relaxation, write

    solvers: dict[str, Callable] = {f.__name__: f for f in (relaxation, highs, cp_sat, write)}
    try:
        return solvers[solver](*arguments)
    except BrnnError as error:
        return error
    except Exception as error:
        return SolverError(f"solver {solver} failed: {type(error).__name__}: {error}")


@cache
def _process(owner: int) -> Any:
    """Return the solver process of the process `owner`; a forked one starts its own."""
    command = [sys.executable, "-c", START, json.dumps(sys.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(_end, process)
    return process


def _end(process: Any) -> None:
    _process.cache_clear()
    process.kill()
    process.wait()
