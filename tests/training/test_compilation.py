"""Compilation: before the first step, and without a trace in the state."""

import numpy as np
from support.training import constant

from brnn.data.dataset import Data
from brnn.nets.task import Task
from brnn.training import build
from brnn.training.loop import fit

SMALL = ("topology.filters=[2]", "topology.kernels=[3]", "topology.pools=[2]", "topology.dense=[4]")


def test_a_clustered_program_is_compiled_by_a_step_that_is_undone(options):
    rng = np.random.default_rng(0)
    split = rng.integers(256, size=(8, 8, 8, 1), dtype="uint8"), np.arange(8, dtype="int32") % 3
    task = Task((8, 8, 1), 3)
    program = build.program(options("topology=lenet", *SMALL, "compiled=auto"), task)
    assert program.clustered
    initial, seen = program.state(), []
    keys = {"epochs": 2, "batch_size": 4, "by_step": constant(0.1), "seed": 0}
    data = Data(split, split, split, classes=3, source="generated")
    epochs = fit(program, data, **keys, on_progress=lambda *at: seen.append((at, program.state())))
    assert seen == []
    next(epochs)
    (at, state), *_ = seen
    assert at == (0, 0.0)
    assert all(map(np.array_equal, state, initial))
    assert not all(map(np.array_equal, program.state(), initial))
