"""Distribution: replicas learn as one device does, and draw the same levels."""

import os
import socket

import pytest
from support.processes import Process

from brnn.config import cluster
from brnn.errors import ConfigError, WorkerError
from brnn.training import distribution
from brnn.training.replicas import ONE_DEVICE

REFUSED = """
from brnn.errors import ConfigError
from brnn.runs.plan import choose_replicas
from brnn.training import distribution
from brnn.training.replicas import ONE_DEVICE

distribution.mirrored(False, devices=2)  # before TensorFlow uses the processor

def chosen(option, batch_size, job=None):
    topology = {"name": "gru"}
    options = {"distribution": option, "topology": topology, "plugins": []}
    options["batch_size"] = batch_size
    return choose_replicas(options, job)

sharded = {"name": "sharded", "shards": 2}
assert chosen(sharded, 4).count == 2
assert chosen(sharded, 3) is ONE_DEVICE
two, three = ({"name": "mirrored", "devices": count} for count in (2, 3))
for arguments, message in (
    ((two, 3), "batch_size must be a multiple of 2, the devices that share a batch, got 3"),
    ((three, 3), "distribution.devices must be at most 2, the number of CPUs, got 3"),
    (({"name": "multi_worker"}, 3, "a sweep"), "distribution=multi_worker is for one net"),
):
    try:
        raise SystemExit(chosen(*arguments))
    except ConfigError as error:
        assert str(error).startswith(message), error
"""
TWO_REPLICAS = """
from functools import partial
import sys
import keras
import numpy as np
import tensorflow as tf
from brnn.data.dataset import Data
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import distribution, losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program
from brnn.training.replicas import ONE_DEVICE

distribution.mirrored(False, devices=2)  # before TensorFlow uses the processor
option, key = {
    "mirrored": (distribution.mirrored, "devices"), "sharded": (distribution.sharded, "shards")
}[sys.argv[1]]
two = option(True, **{key: 2})
assert two is option(True, **{key: 2})
assert (two.count, two.chief) == (2, True)

def mean_and_rows(shared, x, state, replica):
    return [tf.reduce_mean(x), replica], [x + tf.cast(replica, tf.float32)]

x = tf.reshape(tf.range(8.0), (4, 2))
average = tf.function(
    lambda: two.average(mean_and_rows, True, [tf.constant(0)], [x, []]), autograph=False
)
(mean, replica), (rows,) = average()
assert (float(mean), int(replica)) == (3.5, 0)
np.testing.assert_array_equal(rows, [[0, 1], [2, 3], [5, 6], [7, 8]])

rng = np.random.default_rng(0)
x, y = rng.normal(size=(60, 5)).astype("float32"), (np.arange(60) % 3).astype("int32")
data = Data((x, y), (x[:0], y[:0]), (x, y), classes=3, source="generated")

def trained(replicas, compiled, dropout):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    hidden = keras.layers.Dropout(dropout)(keras.layers.Dense(8, "tanh")(inputs))
    manager = QuantManager(
        keras.Model(inputs, keras.layers.Dense(3)(hidden)),
        [Rule("kernel", partial(quantizers.stochastic_binary, scale=1.0), 1.0)],
    )
    program = Program(
        manager, keras.optimizers.Adam(), losses.cross_entropy, regimes.standard, compiled, replicas
    )
    by_step = lambda steps, total: {"train/learning_rate": np.full(len(steps), 0.01)}
    metrics = list(fit(program, data, epochs=3, batch_size=20, by_step=by_step, seed=0))
    return [epoch["train/loss"] for epoch in metrics], program.state()

for compiled, dropout in ((True, 0.0), (False, 0.5)):
    (loss_1, state_1), (loss_2, state_2) = (
        trained(replicas, compiled, dropout) for replicas in (ONE_DEVICE, two)
    )
    pairs = zip([loss_1, *state_1], [loss_2, *state_2], strict=True)
    # a hundredth of a step: Adam divides small gradients, and their rounding, by their own size
    close = [np.allclose(a, b, rtol=1e-5, atol=1e-4) for a, b in pairs]
    assert close[0] == (dropout == 0), close  # each replica drops units of its own
    assert all(close) == (dropout == 0), close
    is_seed = lambda v: v.dtype == "int64" and v.shape == (2,)
    seeds = [[v for v in state if is_seed(v)] for state in (state_1, state_2)]
    np.testing.assert_array_equal(*seeds)
"""


@pytest.fixture
def succeeds_without_gpu(tmp_path):
    """Return a function that runs a script in a process whose TensorFlow is not in use yet."""

    def succeeds(script, *arguments):
        file, environment = tmp_path / "script.py", os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
        file.write_text(script)
        process = Process(tmp_path, [str(file), *arguments], environment)
        _, err = process.communicate()
        assert process.wait() == 0, err[-3000:]

    return succeeds


def test_a_batch_must_divide_among_devices_but_not_among_shards(succeeds_without_gpu):
    succeeds_without_gpu(REFUSED)


@pytest.mark.parametrize("option", ["mirrored", "sharded"])
def test_two_replicas_learn_as_one_does(succeeds_without_gpu, option):
    succeeds_without_gpu(TWO_REPLICAS, option)


@pytest.mark.parametrize(("recurrent", "count"), [(True, 2), (False, 1)])
def test_auto_divides_batches_of_recurrent_nets_on_a_processor(monkeypatch, recurrent, count):
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [])
    assert distribution.auto(recurrent, shards=2).count == count
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [f"a {kind}"])
    assert distribution.auto(recurrent, shards=2) is ONE_DEVICE


def test_a_gpu_takes_the_whole_batch(monkeypatch):
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [f"a {kind}"])
    assert distribution.sharded(True, shards=2) is ONE_DEVICE
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [])
    assert distribution.sharded(True, shards=2).count == 2


@pytest.mark.parametrize("index", [0, 1])
def test_waiting_for_a_worker_ends_after_the_timeout(index):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        WorkerError, match=rf"not all workers connected within 0\.3 seconds: {address}, b:1"
    ):
        distribution.multi_worker(False, workers=[address, "b:1"], index=index, timeout=0.3)


TWO = (
    '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]},'
    ' "task": {"type": "worker", "index": 1}}'
)


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
            r"distribution\.workers must list every worker\'s address .* got None and None",
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
def test_workers_that_are_not_all_stated_are_refused(
    options, monkeypatch, overrides, text, message
):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match=message):
        options("distribution=multi_worker", *overrides)
