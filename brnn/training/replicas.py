"""Replicas: the devices or processes that share each batch.

Shapes: `batches` is (steps, batch), the row numbers of each step of an epoch. Each of `count`
replicas takes batch / count of its columns; a worker holds `local_count` of them, from the index
`first` on.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from brnn.contracts import Array
from brnn.errors import ConfigError, WorkerError

END = -1  # sent in place of the number of an epoch
LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Replicas:
    """The replicas of a net among which each batch is divided.

    Args:
        strategy: TensorFlow's strategy over several devices; None for one device.
        workers: processes that train together, each with as many devices.
        index: which of them this process is; 0 is the chief.
        shards: replicas on the one device, where there is no strategy.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy | None,
        workers: int = 1,
        index: int = 0,
        shards: int = 1,
    ):
        self.strategy = strategy
        self.workers = workers
        self.chief = index == 0
        self.count = strategy.num_replicas_in_sync if strategy else shards
        self.local_count = self.count // workers
        self.first = index * self.local_count

    def share(self, batches: np.ndarray) -> np.ndarray:
        """Return the columns of `batches` that this worker takes, (steps, batch / workers)."""
        size = batches.shape[1] // self.count
        return batches[:, self.first * size : (self.first + self.local_count) * size]

    def average(
        self, function: Callable[..., tuple], compiled: bool, shared: list, batch: list
    ) -> tuple:
        """Call a function in each replica and combine the results.

        Args:
            function: `function(*shared, *part, replica)`, with the replica's part of the rows and
                its index, returns two structures of tensors.
            compiled: whether XLA compiles the function, where there are several replicas.
            shared: arguments that are equal in all replicas.
            batch: structures of tensors (rows, ...) that are split among this worker's replicas.

        Returns:
            The first structure with its floats averaged over all replicas, and the second with the
            rows of this worker's replicas concatenated.
        """
        if self.count == 1:
            return function(*shared, *batch, 0)
        shared = tf.nest.map_structure(tf.convert_to_tensor, shared)
        split = [tf.split(tensor, self.local_count) for tensor in tf.nest.flatten(batch)]
        parts = [tf.nest.pack_sequence_as(batch, part) for part in zip(*split, strict=True)]
        replica_function = tf.function(function, jit_compile=compiled, autograph=False)
        if self.strategy is None:
            results = [
                replica_function(*shared, *part, tf.constant(replica))
                for replica, part in enumerate(parts)
            ]
            means, rows = zip(*results, strict=True)
            return tf.nest.map_structure(_mean, *means), tf.nest.map_structure(_concatenate, *rows)
        return self._average_over_devices(replica_function, shared, parts)

    def epochs(self, start: int, stop: int, variables: list) -> Iterator[int]:
        """Yield the numbers of the epochs to train, from `start` to `stop` - 1.

        Several workers take the numbers from the chief, and before each epoch its `variables`.
        """
        if self.workers == 1:
            yield from range(start, stop)
            return
        for own_epoch in range(start, stop) if self.chief else itertools.repeat(END):
            if (epoch := int(self._broadcast_from_chief(tf.constant(own_epoch)))) == END:
                return
            for variable in variables:
                variable.assign(self._broadcast_from_chief(variable))
            yield epoch

    def end_epochs(self) -> None:
        """End `epochs` in the other workers; the chief calls it."""
        if self.workers > 1:
            self._broadcast_from_chief(tf.constant(END))

    def check_fingerprint(self, fingerprint: str) -> None:
        """Check that all workers train the same net on the same data.

        Args:
            fingerprint: hexadecimal digits; the first 15 count.

        Raises:
            ConfigError: the chief's fingerprint differs.
        """
        if self.workers == 1:
            return
        number = int(fingerprint[:15], 16)
        if int(self._broadcast_from_chief(tf.constant(number, tf.int64))) != number:
            raise ConfigError(
                "the configuration or the data of this worker differ from the chief's: give all"
                " workers the same command and the same data"
            )

    @contextmanager
    def worker_errors(self) -> Iterator[None]:
        """Replace TensorFlow's errors where another worker is lost.

        Raises:
            WorkerError: another worker is lost.
        """
        try:
            yield
        except LOST_WORKER as error:
            if self.workers == 1:
                raise
            reason = str(error).rpartition("aborted by: ")[2].splitlines()[0]
            raise WorkerError(
                f"another worker is lost ({reason}): repeat the command in all workers, to continue"
                " from the last checkpoint"
            ) from error

    def _average_over_devices(self, function: Callable, shared: list, parts: list) -> tuple:
        """Return what `average` returns, from the devices of the strategy."""
        strategy: Any = self.strategy

        def replica_result(part):
            context = tf.distribute.get_replica_context()
            result, rows = function(*shared, *part, context.replica_id_in_sync_group)
            values = tf.nest.flatten(result)
            means = iter(
                context.all_reduce("MEAN", [value for value in values if value.dtype.is_floating])
            )
            values = [next(means) if value.dtype.is_floating else value for value in values]
            return tf.nest.pack_sequence_as(result, values), rows

        distributed = strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group - self.first]
        )
        means, rows = strategy.run(replica_result, (distributed,))
        local = strategy.experimental_local_results
        return (
            tf.nest.map_structure(lambda value: local(value)[0], means),
            tf.nest.map_structure(lambda value: _concatenate(*local(value)), rows),
        )

    def _broadcast_from_chief(self, value: Array) -> Array:
        """Return the chief's value of a tensor or a variable; a sum to which the others add 0."""
        strategy: Any = self.strategy
        value = tf.convert_to_tensor(value)
        wide = value if value.dtype.is_floating else tf.cast(value, tf.int64)
        with self.worker_errors():
            total = strategy.reduce("SUM", wide if self.chief else tf.zeros_like(wide), axis=None)
        return tf.cast(total, value.dtype)


ONE_DEVICE = Replicas(None)


def _mean(first: Array, *others: Array) -> Array:
    """Return the mean of floats over the replicas, and of other values the first."""
    return tf.add_n([first, *others]) / (1 + len(others)) if first.dtype.is_floating else first


def _concatenate(*parts: Array) -> Array:
    return tf.concat(parts, 0)
