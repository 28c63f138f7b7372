"""Distribution: who shares each batch learns as one does, and draws the same weights."""

import os
import socket
import subprocess
import sys

import pytest

from brnn.config import cluster
from brnn.errors import ConfigError, WorkerError
from brnn.training import distribution
from brnn.training.replicas import ALONE

TWO_PROCESSORS = """
from functools import partial
from types import SimpleNamespace
import sys
import keras
import numpy as np
import tensorflow as tf
from brnn import distribution, losses, quantizers, regimes, run
from brnn.config import ConfigError
from brnn.manager import QuantManager, Rule
from brnn.training import Program, fit

distribution.mirrored(devices=2)  # before TensorFlow uses the processor
if sys.argv[1] == "refused":
    sharded = {"distribution": {"name": "sharded", "shards": 2}, "plugins": []}
    assert run._replicas(sharded | {"batch_size": 4}, None).number == 2
    assert run._replicas(sharded | {"batch_size": 3}, None) is distribution.ALONE

    for option, size, parent, message in (
        ({"name": "mirrored", "devices": 2}, 3, None, "batch_size must be a multiple of 2, the devices that share a"),
        ({"name": "mirrored", "devices": 3}, 3, None, "distribution.devices must be at most 2, the CPUs that are"),
        ({"name": "multi_worker"}, 3, "a sweep", "distribution=multi_worker is for one net, and not for --multirun"),
    ):
        try:
            raise SystemExit(run._replicas({"distribution": option, "plugins": [], "batch_size": size}, parent))
        except ConfigError as error:
            assert str(error).startswith(message), error
    raise SystemExit

kind, count = {"mirrored": (distribution.mirrored, "devices"), "sharded": (distribution.sharded, "shards")}[sys.argv[1]]
two = kind(**{count: 2})
assert two is kind(**{count: 2}) and (two.number, two.chief) == (2, True)
x = tf.reshape(tf.range(8.0), (4, 2))
where = lambda shared, x, state, place: ([tf.reduce_mean(x), place], [x + tf.cast(place, tf.float32)])
share = tf.function(lambda: two.average(where, True, [shared], [x, []]), autograph=False)
shared = tf.constant(0)
(mean, place), (rows,) = share()
assert (float(mean), int(place)) == (3.5, 0)
np.testing.assert_array_equal(rows, [[0, 1], [2, 3], [5, 6], [7, 8]])

rng = np.random.default_rng(0)
x, y = rng.normal(size=(60, 5)).astype("float32"), (np.arange(60) % 3).astype("int32")
data = SimpleNamespace(train=(x, y), validation=(x[:0], y[:0]), test=(x, y))

def trained(replicas, compiled, dropout):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    hidden = keras.layers.Dropout(dropout)(keras.layers.Dense(8, "tanh")(inputs))
    manager = QuantManager(
        keras.Model(inputs, keras.layers.Dense(3)(hidden)),
        [Rule("kernel", partial(quantizers.stochastic_binary, scale=1.0), 1.0)],
    )
    program = Program(manager, keras.optimizers.Adam(), losses.cross_entropy, regimes.standard, compiled, replicas)
    rates = lambda steps, total: np.full(len(steps), 0.01)
    metrics = list(fit(program, data, epochs=3, batch_size=20, rates=rates, seed=0))
    return [one["train/loss"] for one in metrics], program.state()

for compiled, dropout in ((True, 0.0), (False, 0.5)):
    (losses_of_one, one), (losses_of_two, both) = (trained(r, compiled, dropout) for r in (distribution.ALONE, two))
    close = [np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip([losses_of_one, *one], [losses_of_two, *both])]
    assert close[0] == (dropout == 0) and all(close) == (dropout == 0), close  # devices drop units of their own
    seeds = [[v for v in state if v.dtype == "int64" and v.shape == (2,)] for state in (one, both)]
    np.testing.assert_array_equal(*seeds)
"""


@pytest.mark.parametrize("part", ["refused", "mirrored", "sharded"])
def test_two_that_share_each_batch_learn_as_one(part):
    command, no_gpu = (
        [sys.executable, "-c", TWO_PROCESSORS, part],
        os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=no_gpu)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_gpu_takes_the_whole_batch(monkeypatch):
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [f"a {kind}"])
    assert distribution.sharded(shards=2) is ALONE
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [])
    assert distribution.sharded(shards=2).number == 2


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_does_not_come_is_not_waited_for_for_ever(index):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        WorkerError, match=rf"not all workers came within 0\.3 seconds: {address}, b:1"
    ):
        distribution.multi_worker(workers=[address, "b:1"], index=index, timeout=0.3)


TWO = '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 1}}'


@pytest.mark.parametrize(
    ("given", "text", "expected"),
    [
        ((["a:1", "b:1"], 1), TWO, (["a:1", "b:1"], 1)),
        ((None, None), TWO, (["a:1", "b:1", "c:1"], 2)),
        (
            (None, None),
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "0"}}',
            (["a:1"], 0),
        ),
    ],
)
def test_the_workers_are_those_given_else_those_of_tf_config(monkeypatch, given, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.workers(*given) == expected


@pytest.mark.parametrize(
    ("overrides", "text", "message"),
    [
        (
            (),
            "",
            r"distribution\.workers must list the addresses of all workers, .* got None and None",
        ),
        ((), '{"task": 1}', "got None and None"),
        (
            (),
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}',
            "and None",
        ),
        (("distribution.workers=[a:1,b:1]",), TWO, "and None"),
        (("distribution.index=0",), TWO, "got None and 0"),
        (("distribution.workers=[a:1,b:1]", "distribution.index=2"), "", "and 2"),
        (
            ("distribution.workers=[a]", "distribution.index=0"),
            "",
            "each an address as host:port or null, got",
        ),
        (
            ("distribution.timeout=0",),
            TWO,
            r"distribution\.timeout must be a finite number above 0",
        ),
    ],
)
def test_workers_that_are_not_told_are_refused(options, monkeypatch, overrides, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match=message):
        options("distribution=multi_worker", *overrides)
