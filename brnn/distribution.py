"""Distribution: who shares each batch: devices of this machine or of several, or parts of one processor.

A worker is a process that holds all data. Workers keep weights of their own, the same bits, since all start an epoch
from those of the first, the chief, and apply the same mean gradients to them.
"""

import itertools
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import numpy as np
import tensorflow as tf

from brnn import config
from brnn.config import ConfigError
from brnn.ranges import Address, Count, Natural, Positive

END = -1  # told in place of an epoch's number
GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class WorkerError(RuntimeError):
    """Another worker is gone, or does not come."""


class Replicas:
    """The devices of a strategy of TensorFlow, or, where it is None, `shards` programs on one device.

    Each takes its share of a batch. This is worker `index` of `workers`, which have as many devices each.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None, workers: int = 1, index: int = 0, shards: int = 1):
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
            means = iter(context.all_reduce("MEAN", [value for value in values if value.dtype.is_floating]))
            values = [next(means) if value.dtype.is_floating else value for value in values]
            return tf.nest.pack_sequence_as(same, values), rows

        place = self.strategy.experimental_distribute_values_from_function
        same, rows = self.strategy.run(replica, (place(lambda c: parts[c.replica_id_in_sync_group - self.first]),))
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
            raise ConfigError("the chief has another configuration or other data than this worker; give both the same")

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
            total = self.strategy.reduce("SUM", wide if self.chief else tf.zeros_like(wide), axis=None)
        return tf.cast(total, value.dtype)


ALONE = Replicas(None)


def none() -> Replicas:
    """One device, for which the loop over the steps is compiled as a whole."""
    return ALONE


def sharded(*, shards: Count) -> Replicas:
    """A processor that works on equal parts of each batch at the same time; a GPU takes the whole."""
    return ALONE if tf.config.list_physical_devices("GPU") else _sharded(shards)


def mirrored(*, devices: Count | None) -> Replicas:
    """The GPUs of this machine; where it has none, its processor as several devices."""
    return _mirrored(devices)


def multi_worker(*, workers: list[Address] | None, index: Natural | None, timeout: Positive) -> Replicas:
    """The devices of several processes, mostly on as many machines, each of which is given the same command."""
    addresses, place = config.workers(workers, index)
    return _joined(tuple(addresses), place, timeout)


@cache
def _sharded(shards):
    return Replicas(None, shards=shards)


@cache
def _mirrored(devices):
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU":
        (processor,) = tf.config.list_physical_devices(kind)
        with suppress(RuntimeError):  # it is split already
            parts = [tf.config.LogicalDeviceConfiguration()] * (devices or 1)
            tf.config.set_logical_device_configuration(processor, parts)
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(names) < (devices or 1):
        raise ConfigError(
            f"distribution.devices must be at most {len(names)}, the {kind}s that are there, got {devices}"
        )
    return Replicas(tf.distribute.MirroredStrategy(names[:devices]))


@cache
def _joined(addresses, index, timeout):
    _meet(addresses, index, timeout)
    os.environ["no_grpc_proxy"] = ",".join(one.rpartition(":")[0] for one in addresses)  # noqa: SIM112
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
    stop = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGTERM, stop)  # which TensorFlow took
    return Replicas(strategy, len(addresses), index)


def _mean(first, *others):
    return tf.add_n([first, *others]) / (1 + len(others)) if first.dtype.is_floating else first


def _joined_rows(*parts):
    return tf.concat(parts, 0)


def _meet(addresses, index, timeout):
    """Returns when all workers are there: TensorFlow would wait for hours, and could not be stopped."""
    host, _, port = addresses[0].rpartition(":")
    end = time.monotonic() + timeout
    try:
        if index == 0:
            with socket.create_server((host, int(port))) as server:
                server.settimeout(timeout)
                others = [server.accept()[0] for _ in addresses[1:]]
            for other in others:
                with other:
                    other.sendall(b"!")
            return
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout) as chief:
                if chief.recv(1):
                    return
            time.sleep(0.1)
        raise TimeoutError
    except TimeoutError as error:
        raise WorkerError(f"not all workers came within {timeout} seconds: {', '.join(addresses)}") from error
