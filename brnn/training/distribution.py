"""Distribution: who shares each batch."""

import json
import os
import signal
import socket
import time
from contextlib import suppress
from functools import cache

import tensorflow as tf

from brnn.config import cluster
from brnn.config.ranges import Address, Count, Natural, Positive
from brnn.errors import ConfigError, WorkerError
from brnn.training.replicas import ALONE, Replicas


def auto(recurrent: bool, *, shards: Count) -> Replicas:
    """Return `sharded` replicas for a recurrent net on a processor, else one device."""
    return sharded(recurrent, shards=shards) if recurrent else ALONE


def none(recurrent: bool) -> Replicas:
    """One device, for which the loop over the steps is compiled as a whole."""
    return ALONE


def sharded(recurrent: bool, *, shards: Count) -> Replicas:
    """A processor that works on equal parts of each batch at the same time; a GPU takes the whole."""
    return ALONE if tf.config.list_physical_devices("GPU") else _sharded(shards)


def mirrored(recurrent: bool, *, devices: Count | None) -> Replicas:
    """The GPUs of this machine; where it has none, its processor as several devices."""
    return _mirrored(devices)


def multi_worker(
    recurrent: bool, *, workers: list[Address] | None, index: Natural | None, timeout: Positive
) -> Replicas:
    """The devices of several processes, mostly on as many machines, each of which is given the same command."""
    addresses, place = cluster.workers(workers, index)
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
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )
    stop = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGTERM, stop)  # which TensorFlow took
    return Replicas(strategy, len(addresses), index)


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
        raise WorkerError(
            f"not all workers came within {timeout} seconds: {', '.join(addresses)}"
        ) from error
