"""Distribution: which devices or processes share each batch."""

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
from brnn.training.replicas import ONE_DEVICE, Replicas

RETRY = 0.1  # seconds between two attempts to reach the chief


def auto(recurrent: bool, *, shards: Count) -> Replicas:
    """Return `sharded` replicas for a recurrent net on a processor, else one device."""
    return sharded(recurrent, shards=shards) if recurrent else ONE_DEVICE


def none(recurrent: bool) -> Replicas:
    """Return one device; the loop over the steps is compiled as a whole."""
    return ONE_DEVICE


def sharded(recurrent: bool, *, shards: Count) -> Replicas:
    """Return replicas that a processor computes in parallel; on a GPU there is one.

    Args:
        recurrent: unused.
        shards: equal parts of each batch.
    """
    return ONE_DEVICE if tf.config.list_physical_devices("GPU") else _sharded(shards)


def mirrored(recurrent: bool, *, devices: Count | None) -> Replicas:
    """Return the GPUs of this machine, or, where it has none, its processor split into devices.

    Args:
        recurrent: unused.
        devices: how many GPUs share a batch (null: all), or into how many the processor is split.

    Raises:
        ConfigError: the machine has fewer devices.
    """
    return _mirrored(devices)


def multi_worker(
    recurrent: bool, *, workers: list[Address] | None, index: Natural | None, timeout: Positive
) -> Replicas:
    """Return the devices of several processes, usually one on each of as many machines.

    All are given the same command, except for `index`. Returns when all are connected.

    Args:
        recurrent: unused.
        workers: the address of each worker, the chief's first; null: those of TF_CONFIG.
        index: which of them this process is; null: that of TF_CONFIG.
        timeout: seconds to wait for the others.

    Raises:
        ConfigError: neither the keys nor TF_CONFIG state the workers.
        WorkerError: not all workers connect in time.
    """
    addresses, own_index = cluster.workers(workers, index)
    return _connected(tuple(addresses), own_index, timeout)


@cache
def _sharded(shards: int) -> Replicas:
    return Replicas(None, shards=shards)


@cache
def _mirrored(devices: int | None) -> Replicas:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU":
        (processor,) = tf.config.list_physical_devices(kind)
        with suppress(RuntimeError):  # TensorFlow uses it already, and can no longer split it
            parts = [tf.config.LogicalDeviceConfiguration()] * (devices or 1)
            tf.config.set_logical_device_configuration(processor, parts)
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(names) < (devices or 1):
        raise ConfigError(
            f"distribution.devices must be at most {len(names)}, the number of {kind}s,"
            f" got {devices}"
        )
    return Replicas(tf.distribute.MirroredStrategy(names[:devices]))


@cache
def _connected(addresses: tuple[str, ...], index: int, timeout: float) -> Replicas:
    _await_workers(addresses, index, timeout)
    hosts = [address.rpartition(":")[0] for address in addresses]
    os.environ["no_grpc_proxy"] = ",".join(hosts)  # noqa: SIM112
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )
    handler = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGTERM, handler)  # TensorFlow has replaced it
    return Replicas(strategy, len(addresses), index)


def _await_workers(addresses: tuple[str, ...], index: int, timeout: float) -> None:
    """Return when all workers are reachable.

    TensorFlow itself would wait for hours, during which the process could not be stopped.
    """
    host, _, port = addresses[0].rpartition(":")
    if index == 0:
        connected = _release_others(host, int(port), len(addresses) - 1, timeout)
    else:
        connected = _await_chief(host, int(port), timeout)
    if not connected:
        raise WorkerError(
            f"not all workers connected within {timeout} seconds: {', '.join(addresses)}"
        )


def _release_others(host: str, port: int, others: int, timeout: float) -> bool:
    """Accept a connection from each other worker, then send each a byte.

    Return whether all have connected in time.
    """
    with socket.create_server((host, port)) as server:
        server.settimeout(timeout)
        try:
            connections = [server.accept()[0] for _ in range(others)]
        except TimeoutError:
            return False
    for connection in connections:
        with connection:
            connection.sendall(b"!")
    return True


def _await_chief(host: str, port: int, timeout: float) -> bool:
    """Connect to the chief, again and again, and return whether it has sent a byte in time."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection((host, port), timeout) as chief:
            if chief.recv(1):
                return True
        time.sleep(RETRY)
    return False
