"""Calls that run at the same time, since one net of a few small layers leaves cores idle."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

AT_ONCE = 2  # calls at most, since each holds the arrays of a batch
THREADS = "TF_NUM_INTRAOP_THREADS"  # TensorFlow's variable, which a sweep sets in its processes
ORDERED = (  # beginnings of the names of operations that run Python, draw, or change variables
    "Assign",
    "EagerPyFunc",
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "PyFunc",
    "Random",
    "Rng",
    "StatefulRandom",
    "StatefulStandard",
    "StatefulTruncated",
    "StatefulUniform",
    "TruncatedNormal",
)
KEPT = 32  # graphs
COUNT = "AssignAddVariableOp"  # of queries; sums do not depend on the order


def parallel(function: Callable, calls: Iterable[tuple], at_once: int) -> Iterator[Any]:
    """Yield `function(*arguments)` for the arguments of each call, in their order.

    Where the caller stops, or a call raises, those that have not begun are not run.

    Args:
        function: called in threads, so it shall not trace graphs, which Keras does in one thread.
        calls: their arguments.
        at_once: how many run at the same time; 1: in the thread of the caller.
    """
    if at_once == 1:
        yield from (function(*arguments) for arguments in calls)
        return
    with ThreadPoolExecutor(at_once) as threads:
        results = [threads.submit(function, *arguments) for arguments in calls]
        try:
            yield from (result.result() for result in results)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=KEPT)
def calls_at_once(graph: "tf.Graph") -> int:
    """Return how many calls of a graph may run at the same time.

    It is 1 where their order matters, and where TensorFlow computes with one thread.
    """
    definition = graph.as_graph_def()
    functions = (function.node_def for function in definition.library.function)
    operations = {node.op for nodes in (definition.node, *functions) for node in nodes} - {COUNT}
    ordered = any(operation.startswith(ORDERED) for operation in operations)
    return 1 if ordered else min(AT_ONCE, _threads())


def _threads() -> int:
    """Return the number of threads in which TensorFlow computes."""
    number = os.environ.get(THREADS, "")
    if number.isdigit() and number != "0":
        return int(number)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
