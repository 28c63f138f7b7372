"""Replicas: the devices or processes that share each batch."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from brnn.errors import ConfigError, WorkerError

END = -1  # told in place of an epoch's number
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Replicas:
    """The devices of a strategy of TensorFlow, or, where it is None, `shards` programs on one device.

    Each takes its share of a batch. This is worker `index` of `workers`, which have as many devices each.
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
        self.number = strategy.num_replicas_in_sync if strategy else shards
        self.local = self.number // workers
        self.first = index * self.local

    def share(self, batches: np.ndarray) -> np.ndarray:
        """The columns of `batches` that this worker takes."""
        size = batches.shape[1] // self.number
        return batches[:, self.first * size : (self.first + self.local) * size]

    def average(self, function: Callable, compiled: bool, shared: list, batch: list):
        """What `function(*shared, *part, place)` gives in each replica, for its part of the rows of `batch`.

        Of its two results the first has its floats averaged over all replicas; the second has a row for each of the
        batch's. `place` is the number of the replica, and `compiled` chooses XLA where there are several.
        """
        if self.number == 1:
            return function(*shared, *batch, 0)
        shared = tf.nest.map_structure(tf.convert_to_tensor, shared)
        split = [tf.split(one, self.local) for one in tf.nest.flatten(batch)]
        parts = [tf.nest.pack_sequence_as(batch, part) for part in zip(*split, strict=True)]
        own = tf.function(function, jit_compile=compiled, autograph=False)
        if self.strategy is None:
            done = [own(*shared, *part, tf.constant(place)) for place, part in enumerate(parts)]
            same, rows = zip(*done, strict=True)
            return tf.nest.map_structure(_mean, *same), tf.nest.map_structure(_joined_rows, *rows)

        def replica(part):
            context = tf.distribute.get_replica_context()
            same, rows = own(*shared, *part, context.replica_id_in_sync_group)
            values = tf.nest.flatten(same)
            means = iter(
                context.all_reduce("MEAN", [value for value in values if value.dtype.is_floating])
            )
            values = [next(means) if value.dtype.is_floating else value for value in values]
            return tf.nest.pack_sequence_as(same, values), rows

        place = self.strategy.experimental_distribute_values_from_function
        same, rows = self.strategy.run(
            replica, (place(lambda c: parts[c.replica_id_in_sync_group - self.first]),)
        )
        local = self.strategy.experimental_local_results
        return (
            tf.nest.map_structure(lambda one: local(one)[0], same),
            tf.nest.map_structure(lambda one: _joined_rows(*local(one)), rows),
        )

    def epochs(self, start: int, stop: int, variables: list) -> Iterator[int]:
        """The epochs from `start` to `stop` of the chief, which every worker begins with the chief's `variables`."""
        if self.workers == 1:
            yield from range(start, stop)
            return
        for epoch in range(start, stop) if self.chief else itertools.repeat(END):
            if (told := int(self._of_the_chief(tf.constant(epoch)))) == END:
                return
            for variable in variables:
                variable.assign(self._of_the_chief(variable))
            yield told

    def dismiss(self) -> None:
        """Tells the other workers that there is no other epoch."""
        if self.workers > 1:
            self._of_the_chief(tf.constant(END))

    def agree(self, fingerprint: str) -> None:
        """Raises `ConfigError` where the chief has another fingerprint, in hexadecimal digits."""
        number = int(fingerprint[:15], 16)
        if self.workers > 1 and int(self._of_the_chief(tf.constant(number, tf.int64))) != number:
            raise ConfigError(
                "the chief has another configuration or other data than this worker; give both the same"
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Says in words that another worker is gone."""
        try:
            yield
        except GONE as error:
            if self.workers == 1:
                raise
            reason = str(error).rpartition("aborted by: ")[2].splitlines()[0]
            raise WorkerError(
                f"another worker is gone ({reason}); the same command, given to all, goes on from the last checkpoint"
            ) from error

    def _of_the_chief(self, value):
        """A tensor's or a variable's value at the chief."""
        value = tf.convert_to_tensor(value)
        wide = value if value.dtype.is_floating else tf.cast(value, tf.int64)
        with self.together():
            total = self.strategy.reduce(
                "SUM", wide if self.chief else tf.zeros_like(wide), axis=None
            )
        return tf.cast(total, value.dtype)


ALONE = Replicas(None)


def _mean(first, *others):
    return tf.add_n([first, *others]) / (1 + len(others)) if first.dtype.is_floating else first


def _joined_rows(*parts):
    return tf.concat(parts, 0)
