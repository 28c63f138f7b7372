"""Traced functions, calls of which run in parallel threads: a small net alone leaves cores idle."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from brnn.config.processor import core_count

AT_ONCE = 2  # calls at most, since each holds the arrays of a batch
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")  # environment variables
ORDERED = (  # beginnings of the names of operations that run Python, draw, or change variables
    "AllCandidateSampler",
    "Assign",
    "EagerPyFunc",
    "FixedUnigramCandidateSampler",
    "Fractional",
    "LearnedUnigramCandidateSampler",
    "LogUniformCandidateSampler",
    "LookupTable",
    "Multinomial",
    "NonDeterministic",
    "ParameterizedTruncatedNormal",
    "PyFunc",
    "Random",
    "ResourceA",  # that apply gradients or accumulate, but not ResourceGather
    "ResourceCount",
    "ResourceS",  # that scatter, assign strided slices or apply sparse gradients
    "Rng",
    "SampleDistorted",
    "StatefulRandom",
    "StatefulStandard",
    "StatefulTruncated",
    "StatefulUniform",
    "ThreadUnsafe",
    "TruncatedNormal",
    "UniformCandidateSampler",
)
COUNT = "AssignAddVariableOp"  # of int64, which `brnn.robustness.nets.Net` adds queries to


@dataclass(frozen=True)
class Traced:
    """A traced function.

    Attributes:
        graph: takes and returns tensors.
        at_once: how many calls may run at the same time.
    """

    graph: Callable
    at_once: int

    def __call__(self, *arguments: Any) -> np.ndarray:
        """Return the result for tensors, arrays or numbers."""
        return self.graph(*map(tf.convert_to_tensor, arguments)).numpy()


def traced(function: Callable, signature: Sequence[tf.TensorSpec]) -> Traced:
    """Return a function, traced in this thread: Keras keeps the state of a trace per thread."""
    graph = tf.function(function, signature, autograph=False).get_concrete_function()
    return Traced(graph, calls_at_once(graph.graph))


def results(calls: Sequence[tuple[Traced, tuple]]) -> Iterator[np.ndarray]:
    """Yield the results of traced functions for their arguments, in the order of the calls.

    Where the caller stops, or an error is raised as its turn comes, calls that have not begun are
    not run.
    """
    at_once = min((function.at_once for function, _ in calls), default=1)
    if at_once == 1:
        yield from (function(*arguments) for function, arguments in calls)
        return
    with ThreadPoolExecutor(at_once) as threads:
        try:
            pending = deque(threads.submit(function, *arguments) for function, arguments in calls)
            while pending:
                yield pending.popleft().result()  # not kept any longer
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def calls_at_once(graph: tf.Graph) -> int:
    """Return how many calls of a graph may run at the same time.

    It is 1 where their order may matter, on a GPU, and where TensorFlow has one thread.
    """
    definition = graph.as_graph_def()
    nodes = [*definition.node]
    for function in definition.library.function:
        nodes += function.node_def
    if tf.config.list_physical_devices("GPU") or any(map(_is_ordered, nodes)):
        return 1
    return min(AT_ONCE, _threads())


def _is_ordered(node: Any) -> bool:
    """Return whether the order of an operation among others may matter."""
    counts = node.op == COUNT and node.attr["dtype"].type == tf.int64.as_datatype_enum
    return node.op.startswith(ORDERED) and not counts


def _threads() -> int:
    """Return the number of threads that TensorFlow has at most."""
    numbers = [os.environ.get(name, "") for name in THREADS]
    return min([core_count(), *(int(n) for n in numbers if n.isdigit() and int(n))])
