"""Annealed estimators in the compiled loop: formulas at three steps, one trace, equal bits."""

from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.data.dataset import Data
from brnn.nets.task import Task
from brnn.quantization import quantizers
from brnn.quantization.annealing import annealed, estimator_of, step_values
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager
from brnn.training import build, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

TOTAL = 100
NO_NET = QuantManager(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), [])
X = np.float32([-3, -1.2, -0.5, -0.04, 0.0, 0.07, 0.3, 1.0, 1.4, 6])


def sech2(z):
    return 1 / np.cosh(np.float64(z)) ** 2


def ede_of_the_paper(x, step):
    """Qin et al. 2020, eq. 10 to 12: T_min = 0.1, T_max = 10."""
    t = 0.1 * 10 ** (step / TOTAL * np.log10(10 / 0.1))
    return max(1 / t, 1) * t * sech2(t * x)


def reste_of_the_paper(x, step):
    """Wu et al. 2023: f(x) = sign(x) |x|^(1/o), a line to m = 0.1, nothing beyond t = 1.5."""
    o = 1 + (1 - np.cos(np.pi / 2 * step / TOTAL)) * (3 - 1)
    size = np.maximum(np.abs(x), 1e-9)
    slope = np.where(size <= 0.1, 0.1 ** (1 / o) / 0.1, size ** ((1 - o) / o) / o)
    return np.where(size <= 1.5, slope, 0)


def tanh_of_rising_slope(x, step):
    slope = 1 + 9 * step / TOTAL
    return slope * sech2(slope * x)


PAPERS = {"ede": ede_of_the_paper, "reste": reste_of_the_paper, "tanh": tanh_of_rising_slope}


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("step", [0, 37, 99])
def test_the_backward_pass_is_that_of_the_paper_at_points_of_the_schedule(options, name, step):
    keys = options(f"estimator={name}")
    values = build.by_step_of(keys, NO_NET)(np.array([step]), TOTAL)
    with step_values({key: np.float32(value[0]) for key, value in values.items()}):
        gradient = estimator_of(keys["estimator"], [])(X, np.full_like(X, -2.5), 1)
    np.testing.assert_allclose(gradient, -2.5 * PAPERS[name](X, step), rtol=2e-4, atol=1e-7)


def test_any_number_of_an_estimator_can_be_annealed_over_some_steps(options):
    bound = "estimator.bound={schedule: cosine, from: 3, to: 1, steps: 10}"
    keys = options("estimator=ste", bound)
    values = build.by_step_of(keys, NO_NET)(np.array([0, 5, 10, 99]), TOTAL)
    np.testing.assert_allclose(values["annealed/bound"], [3, 2, 1, 1])
    estimator = estimator_of(keys["estimator"], [])
    x = np.float32([2.5])
    assert estimator(x, x, 1)[0] == 0  # outside the training the last bound holds
    with step_values({"annealed/bound": 3.0}):
        assert estimator(x, x, 1)[0] == 2.5


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_each_step_of_the_loop_has_its_value(compiled):
    """One weight w, loss = sign(w) x: a step of rate 1 subtracts the slope of its own step."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    passed = annealed(lambda x, upstream, fan_in, *, factor: upstream * factor, factor=7.0)
    activation = QuantActivation(partial(quantizers.binary, scale=1.0), passed, 1)
    model = keras.Model(inputs, activation(dense(inputs)))
    loss = lambda labels, outputs: outputs[:, 0]  # noqa: E731
    program = Program(
        QuantManager(model, []), keras.optimizers.SGD(), loss, regimes.standard, compiled
    )
    pair = (np.ones((6, 1), "float32"), np.zeros(6, "float32"))
    data = Data(pair, pair, pair, classes=1, source="generated")

    def by_step(steps, total):
        return constant(1.0)(steps, total) | {"annealed/factor": 10.0**-steps}

    history = list(fit(program, data, epochs=2, batch_size=2, by_step=by_step, seed=0))
    assert model.get_weights()[0][0, 0] == pytest.approx(-1.11111)
    assert [epoch["annealed/factor"] for epoch in history] == pytest.approx([1e-2, 1e-5])
    assert program.train.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("overrides", "shape"),
    [
        (["topology.width=5"], (6,)),
        (["topology.width=5", "compiled=false", "training=adversarial"], (6,)),
        (["topology=convolutional", "topology.filters=[3,3]"], (8, 8)),
        (["topology=rnn", "topology.width=4"], (5, 6)),
    ],
    ids=["dense", "adversarial", "convolutional", "recurrent"],
)
def test_an_annealed_net_continues_with_equal_bits(options, overrides, shape):
    keys = options("estimator=ede", "epochs=2", "batch_size=4", "attack=none", *overrides)
    rng = np.random.default_rng(0)
    pair = (rng.uniform(size=(12, *shape)).astype("float32"), np.arange(12, dtype="int32") % 2)
    data = Data(pair, pair, pair, classes=2, source="generated")
    program = build.program(keys, Task(shape, 2))
    first, last = build.epochs(program, keys, data)
    assert first["annealed/slope"] == pytest.approx(0.1 * 100 ** (2 / 6))
    assert last["annealed/slope"] == pytest.approx(0.1 * 100 ** (5 / 6))
    assert program.train.experimental_get_tracing_count() == 1
    whole = program.state()
    program = build.program(keys, Task(shape, 2))
    next(build.epochs(program, keys, data))
    kept = program.state()
    other = build.program(keys, Task(shape, 2))
    other.restore(kept)
    list(build.epochs(other, keys, data, start=1))
    assert [v.tobytes() for v in whole] == [v.tobytes() for v in other.state()]


def test_the_schedule_matters(options):
    """The same net with the slope fixed at its first value is another one after two epochs."""
    rng = np.random.default_rng(0)
    pair = (rng.uniform(size=(12, 6)).astype("float32"), np.arange(12, dtype="int32") % 2)
    data = Data(pair, pair, pair, classes=2, source="generated")
    states = []
    for slope in ([], ["estimator.slope=0.1"]):
        keys = options(
            "estimator=ede",
            "epochs=2",
            "batch_size=4",
            "topology.width=5",
            "compiled=false",
            *slope,
        )
        program = build.program(keys, Task((6,), 2))
        list(build.epochs(program, keys, data))
        states.append(program.state())
    assert any((a != b).any() for a, b in zip(*states, strict=True))
