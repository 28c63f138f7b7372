"""Programs of a net on a box: no input is left out, and bounds hold whatever the dual values."""

from dataclasses import replace

import numpy as np
import pytest
from support import onnx_nets

from brnn.proof import onnx_reader
from brnn.proof.box import reaches
from brnn.proof.cases import Network
from brnn.proof.highs import highs, relaxation, safe_bound
from brnn.proof.integer_net import Carried, Hidden, Rectified
from brnn.proof.vnnlib import Comparison

NETS = {
    "dense": onnx_nets.dense(np.random.default_rng(0), (6, 6, 6, 3), "larq"),
    "ternary": onnx_nets.dense(np.random.default_rng(1), (6, 6, 6, 3), "plain"),
    "normalized": onnx_nets.dense(np.random.default_rng(2), (6, 6, 6, 3), "where", 0.1, True),
    "convolutional": onnx_nets.convolutional(np.random.default_rng(3), "plain", normalized=True),
    "residual": onnx_nets.residual(np.random.default_rng(5), 6, "plain"),
    "real_residual": onnx_nets.residual(np.random.default_rng(6), 6, "where", normalized=True),
    "rectified": onnx_nets.rectified(np.random.default_rng(7), "PRelu", 6),
    "pooled": onnx_nets.convolutional(np.random.default_rng(4), "larq", pool="MaxPool"),
}


def box_of(net, rng):
    x = rng.integers(-2, 3, int(np.prod(net.shape))).astype("float64")
    width = rng.choice([0.0, 1.0, 2.0], len(x))
    return x - width, x + width


def steps_of(net, network, x):
    """The values of the program's variables for an input, without those of pooled windows."""
    values, units = [(x - network.low)[network.pixels]], x[:, None]
    for layer, reach in zip(net.hidden, network.reaches, strict=True):
        before, units = units, np.concatenate([units, layer.outputs(units)])
        if isinstance(layer, Carried):
            continue
        if isinstance(layer, Rectified):
            top = reach.high - layer.at
            parts, bends = units[len(before) :, 0], (reach.low < layer.at) & (top > 0)
            values += [(parts / top)[bends], (parts > 0)[bends]]
            continue
        sums = (layer.weights @ before)[layer.windows]
        open_steps = ~reach.up & ~reach.down & (np.diff(layer.values, axis=1) != 0)
        values.append((sums >= layer.at).any(axis=1)[open_steps].astype("float64"))
        if layer.windows.shape[1] > 1:
            unit, number = np.nonzero(open_steps)
            above = sums[unit, :, 0] >= layer.at[unit, :, number]
            can = reach.high[layer.windows[unit]] >= layer.rise[unit, :, number]
            values.append(above[can].astype("float64"))
    return np.concatenate(values), units[:, 0]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("whole", [False, True])
def test_every_input_of_the_box_fulfils_all_rows(name, whole):
    rng = np.random.default_rng(0)
    net = onnx_reader.read(NETS[name], 4, whole)
    low, high = box_of(net, rng)
    network = Network(net, low, high, whole)
    rows = [rows for layer in network.layers for rows in layer.rows()]
    assert sum(len(part.least) for part in rows) >= 5
    for _ in range(50):
        x = rng.integers(low, high + 1).astype("float64") if whole else rng.uniform(low, high)
        values, units = steps_of(net, network, x)
        for part in rows:
            activity = part.matrix @ values[: part.matrix.shape[1]]
            assert (activity >= part.least - 1e-9).all()
        given = network.values.matrix @ values + network.values.shift
        np.testing.assert_allclose(given, units, atol=1e-9)


@pytest.mark.parametrize("name", NETS)
def test_interval_bounds_contain_all_inputs(name):
    rng = np.random.default_rng(0)
    net = onnx_reader.read(NETS[name], 4, whole=False)
    low, high = box_of(net, rng)
    units = rng.uniform(low, high, (100, len(low))).T
    for layer, reach in zip(net.hidden, reaches(net, low, high), strict=True):
        sums = layer.weights @ units
        assert (sums >= reach.low[:, None] - 1e-9).all()
        assert (sums <= reach.high[:, None] + 1e-9).all()
        units = np.concatenate([units, layer.outputs(units)])
        if not isinstance(layer, Hidden):
            continue
        up = (sums[layer.windows][:, :, None] >= layer.at[..., None]).any(axis=1)
        assert up[reach.up].all()
        assert not up[reach.down].any()


def problem():
    net = onnx_reader.read(NETS["dense"], 4, whole=True)
    low, high = np.full(6, -2.0), np.full(6, 2.0)
    return Network(net, low, high, whole=True).problem((Comparison(0, 1),))


def test_any_dual_values_give_a_bound_below_the_optimum():
    rng, program = np.random.default_rng(0), problem()
    relaxed = relaxation(program, seconds=10.0)
    best = highs(replace(program, limit=1000.0), seconds=10.0)
    cost = program.cost @ best.values + program.constant
    assert -np.inf < relaxed.bound <= cost + 1e-6
    for scale in (0.0, 0.1, 10.0):
        duals = rng.normal(size=len(program.least)) * scale
        assert safe_bound(program, duals) <= relaxed.bound + 1e-6
    np.testing.assert_allclose(relaxed.bound, program.cost @ relaxed.values + program.constant)


def test_a_program_whose_cost_cannot_reach_its_limit_has_no_solution():
    program = problem()
    assert highs(replace(program, limit=-1000.0), seconds=10.0).bound == np.inf


@pytest.mark.parametrize("name", ["dense", "real_residual", "rectified"])
def test_a_bound_times_its_unit_is_one_of_the_difference_of_outputs(name):
    rng = np.random.default_rng(0)
    net = onnx_reader.read(NETS[name], 4, whole=False)
    low, high = np.full(6, -2.0), np.full(6, 2.0)
    inputs = rng.uniform(low, high, (200, 6))
    program = Network(net, low, high, whole=False).problem((Comparison(0, 1),))
    logits = net.logits(inputs)
    bound = relaxation(program, seconds=10.0).bound * program.unit
    assert -np.inf < bound <= (logits[:, 1] - logits[:, 0]).min()
