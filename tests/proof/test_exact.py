"""Exact robustness: verdicts of exhaustive search; nothing breaks a certified image."""

import importlib.util
import itertools
from functools import cache, partial

import keras
import numpy as np
import pytest
from scipy.sparse import csr_array
from support.proof_nets import (
    class_of,
    dense_net,
    image_of,
    neighbours,
    random_net,
    residual_net,
    with_weights,
)

from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError
from brnn.proof import cases, links, trial, worker
from brnn.proof import decide as search
from brnn.proof.ball import distance
from brnn.proof.decide import SAT, TIMEOUT, UNKNOWN, UNSAT
from brnn.proof.exact import exact

SOLVERS = ["highs", *(["cp_sat"] if importlib.util.find_spec("ortools") else [])]
ONE_LEVEL = 1.2 / 255


def verdict(model, x, label, example=None, **keys):
    options = {
        "epsilon": ONE_LEVEL, "norm": "linf", "pixels": "whole", "solver": "highs",
        "minimal": False, "seconds": 20.0,
    } | keys  # fmt: skip
    examples = x[None] if example is None else example[None]
    (result,) = exact(model, x[None], np.array([label]), examples, lambda *_: None, **options)
    return result


@cache
def searched(seed, net_of=random_net):
    """A net, an image, its clean class, and whether trying all grey levels breaks it."""
    model = net_of(seed)
    levels = image_of(model, seed)
    label = int(class_of(model, levels[None])[0])
    broken = (class_of(model, neighbours(levels)) != label).any()
    return model, np.asarray(to_pixels(levels)), label, broken


def compared(seeds, net_of=random_net, **keys):
    """Of each net: the verdict on its clean class, and that of trying all grey levels."""
    for seed in seeds:
        model, x, label, broken = searched(seed, net_of)
        result = verdict(model, x, label, **keys)
        if result.status == SAT:
            assert np.abs(result.witness - x).max() <= ONE_LEVEL
            assert np.argmax(model(result.witness[None])[0]) != label
        yield seed, result, SAT if broken else UNSAT


@pytest.mark.parametrize("solver", SOLVERS)
def test_verdicts_of_programs_are_those_of_exhaustive_search(monkeypatch, solver):
    # so that programs find what there is
    monkeypatch.setattr(search, "hints", lambda *bounds: bounds[-1][None][:0])
    monkeypatch.setattr(trial, "WORK", 0)
    results = list(compared(range(60), solver=solver))
    wrong = [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]
    assert not wrong
    statuses = [v.status for _, v, _ in results]
    assert statuses.count(UNKNOWN) <= 6
    assert min(statuses.count(SAT), statuses.count(UNSAT)) >= 6


def test_verdicts_with_hints_are_those_of_exhaustive_search():
    results = list(compared(range(60)))
    assert not [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]


@pytest.mark.parametrize("tried", [False, True])
def test_verdicts_about_residual_nets_are_those_of_exhaustive_search(monkeypatch, tried):
    monkeypatch.setattr(search, "hints", lambda *bounds: bounds[-1][None][:0])
    if not tried:
        monkeypatch.setattr(trial, "WORK", 0)
    results = list(compared(range(12), residual_net))
    assert not [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]
    statuses = [v.status for _, v, _ in results]
    assert UNKNOWN not in statuses
    assert min(statuses.count(SAT), statuses.count(UNSAT)) >= 2


def test_a_tolerance_that_is_not_sound_is_noticed(monkeypatch):
    monkeypatch.setattr(trial, "WORK", 0)
    monkeypatch.setattr(links, "SLACK", -1.0)
    monkeypatch.setattr(cases, "SLACK", -1.0)
    assert any(v.status == UNSAT and true == SAT for _, v, true in compared(range(60)))


@pytest.mark.parametrize("seed", range(6))
def test_no_random_image_breaks_a_certified_one_with_real_pixels(seed):
    model, rng = random_net(seed), np.random.default_rng(seed)
    x = rng.uniform(0.3, 0.7, model.inputs[0].shape[1:]).astype("float32")
    label = int(np.argmax(model(x[None])[0]))
    for epsilon in (0.01, 0.1):
        result = verdict(model, x, label, epsilon=epsilon, pixels="real")
        images = np.clip(x + rng.uniform(-epsilon, epsilon, (5000, *x.shape)), 0, 1)
        broken = (np.argmax(model(images.astype("float32")), -1) != label).any()
        assert result.status in ((SAT,) if broken else (SAT, UNSAT, UNKNOWN))


def test_the_budget_reaches_as_far_as_float32_rounds_it():
    rng, epsilon = np.random.default_rng(0), 0.1
    values = rng.uniform(0.2, 0.8, 100).astype("float32")
    (x,) = values[values + np.float32(epsilon) > values.astype("float64") + epsilon][:1]
    model = with_weights(dense_net(pixels=1, width=1), rng, [1.0])
    model.get_layer("hidden_0").set_weights([np.ones((1, 1)), -np.ones(1) * (x + np.float32(0.1))])
    model.get_layer("logits").set_weights([np.float32([[0, 1, 0]]), np.zeros(3)])
    assert verdict(model, x[None], 0, epsilon=epsilon, pixels="real").status == SAT
    assert verdict(model, x[None], 0, epsilon=0.0999, pixels="real").status == UNSAT


def test_grey_levels_within_a_budget_are_those_of_float32(monkeypatch):
    boxes = []

    def decide(net, given, *_):
        boxes.append((given.low, given.high))
        return search.Verdict(UNSAT, 0.0)

    monkeypatch.setattr("brnn.proof.attacked.decide", decide)
    model = with_weights(dense_net(pixels=3), np.random.default_rng(0), [-1.0, 1.0])
    x = np.asarray(to_pixels(np.uint8([0, 100, 250])))
    label = int(np.argmax(model(x[None])[0]))
    for epsilon, reach in ((26 / 255, 26), (0.1, 25), (0.003, 0)):
        verdict(model, x, label, epsilon=epsilon)
        low, high = boxes.pop()
        assert low.tolist() == [0, 100 - reach, 250 - reach]
        assert high.tolist() == [reach, 100 + reach, min(250 + reach, 255)]


@pytest.mark.parametrize("norm", ["linf", "l0", "l1", "l2"])
def test_the_smallest_change_is_that_of_trying_all_images(norm):
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        model = with_weights(dense_net(pixels=2, width=6), rng, [-1.0, 1.0])
        levels = rng.integers(118, 138, 2).astype("uint8")
        everything = np.array(list(itertools.product(range(256), repeat=2)))
        classes = class_of(model, everything)
        label = int(class_of(model, levels[None])[0])
        sizes = distance((everything - levels.astype("float64")), norm)
        true = sizes[classes != label].min(initial=np.inf)
        x = np.asarray(to_pixels(levels))
        result = verdict(
            model, x, label, norm=norm, minimal=True, epsilon=1.0 if norm == "l0" else 0.02
        )
        unit = 1 if norm == "l0" else 255
        low, high = (bound * unit for bound in result.radius)
        assert low < true <= high + 1e-6
        if result.proved and np.isfinite(true):
            if norm == "l2":
                assert high <= 1.1 * low + 1e-6
            else:
                assert (round(low), round(high)) == (true - 1, true)
            assert class_of(model, np.rint(result.witness[None] * 255))[0] != label
        found.append(result.proved)
    assert sum(found) >= 3  # of the others rounding decides a tie at some radius


@pytest.mark.parametrize("epsilon", [0.003, 0.1])
def test_a_budget_between_two_grey_levels_is_rounded_down_in_a_search_too(epsilon):
    statuses = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        model = with_weights(dense_net(pixels=2, width=6), rng, [-1.0, 1.0])
        levels = rng.integers(118, 138, 2).astype("uint8")
        label = int(class_of(model, levels[None])[0])
        x = np.asarray(to_pixels(levels))
        plain, searched = (
            verdict(model, x, label, epsilon=epsilon, minimal=minimal) for minimal in (False, True)
        )
        assert searched.status == plain.status
        statuses.append(plain.status)
    assert UNSAT in statuses


def test_whole_pixels_need_images_of_bytes():
    model = with_weights(dense_net(), np.random.default_rng(0), [-1.0, 1.0])
    with pytest.raises(ConfigError, match=r"attack\.pixels=whole needs images of bytes"):
        verdict(model, np.full(6, 0.3, "float32"), 0)


def test_an_image_or_an_example_that_is_wrong_already_is_the_witness():
    model = with_weights(dense_net(), np.random.default_rng(1), [-1.0, 1.0])
    x, other = np.full(6, 0.3, "float32"), np.full(6, 0.31, "float32")
    label = (int(np.argmax(model(x[None])[0])) + 1) % 3
    result = verdict(model, x, label, pixels="real")
    assert (result.status, result.cases) == (SAT, {})
    np.testing.assert_array_equal(result.witness, x)
    model.get_layer("hidden_0").set_weights([np.ones((6, 7)), np.full(7, -6 * 0.305)])
    model.get_layer("logits").set_weights([np.float32([[0, 1, 0]] * 7), np.zeros(3)])
    result = verdict(model, x, 0, example=other, epsilon=0.02, pixels="real")
    np.testing.assert_array_equal(result.witness, other)


def test_equal_logits_count_for_the_first_class():
    model = with_weights(dense_net(pixels=1, width=1), np.random.default_rng(0), [1.0])
    x = np.float32([0.5])  # all logits are always equal, so that class 0 always wins
    assert verdict(model, x, 0, epsilon=0.3, pixels="real").status == UNSAT
    assert verdict(model, x, 1, epsilon=0.3, pixels="real").status == SAT


@pytest.mark.parametrize("gamma", [1.0, 1e-5])
def test_small_sums_count_as_much_as_large_ones(gamma):
    keys = {"pixels": 4, "width": 4, "binary_input": True, "batch_normalization": True}
    model = dense_net(**keys)
    model.get_layer("hidden_0").set_weights([np.eye(4) * 2, -np.ones(4)])
    model.get_layer("logits").set_weights([np.float32([[1, -1, -1]] * 4), np.zeros(3)])
    for name, scale in (("normalization_0", gamma), ("normalization_logits", 1.0)):
        shape = model.get_layer(name).gamma.shape
        values = np.full(shape, scale), np.zeros(shape), np.zeros(shape), np.ones(shape)
        model.get_layer(name).set_weights(list(values))
    x = np.full(4, 0.6, "float32")  # class 0; three bits must flip to break it
    assert verdict(model, x, 0, epsilon=0.2, pixels="real").status == SAT
    x[:3] = 0.9  # three bits are out of reach
    assert verdict(model, x, 0, epsilon=0.2, pixels="real").status == UNSAT


def test_a_time_limit_gives_a_timeout():
    model = with_weights(dense_net(depth=2), np.random.default_rng(0), [-1.0, 1.0])
    x = np.full(6, 0.5, "float32")
    label = int(np.argmax(model(x[None])[0]))
    result = verdict(model, x, label, epsilon=0.2, pixels="real", seconds=1e-6)
    assert result.status in (SAT, TIMEOUT)


@pytest.mark.skipif(len(SOLVERS) == 1, reason="needs ortools")
def test_cp_sat_refuses_real_pixels():
    one = np.ones(1)
    program = cases.Problem(
        one, 0.0, csr_array(one[None]), one, one, np.zeros(1, bool), 1.0, np.zeros(1, int)
    )
    with pytest.raises(ConfigError, match="cp_sat needs whole variables"):
        worker.solve("cp_sat", program, 5.0)


def test_nets_that_are_not_discretized_are_refused():
    real = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    with pytest.raises(ConfigError, match=r"attack=exact: Dense .*: its activation relu is not"):
        verdict(real, np.zeros(4, "float32"), 0)
    with pytest.raises(ConfigError, match="attack=exact needs a Keras model, got partial"):
        verdict(partial(np.sum), np.zeros(4, "float32"), 0)
