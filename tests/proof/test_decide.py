"""Verdicts about properties: those of trying all inputs, and true of all real inputs."""

import itertools

import numpy as np
import pytest
from support import onnx_nets

from brnn.proof import cases, links, onnx_reader, trial
from brnn.proof import decide as search
from brnn.proof.box import reaches
from brnn.proof.decide import SAT, TIMEOUT, UNKNOWN, UNSAT, Options, decide
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Comparison, Property, other_class

FORMS = ["larq", "plain", "where", "below"]


def random_net(seed):
    """A dense or convolutional net, and the shape of its input."""
    rng = np.random.default_rng(seed)
    form, scale = rng.choice(FORMS), rng.choice([1.0, 0.5, 0.1, 1e-5])
    normalized = bool(rng.integers(2))
    if rng.integers(2):
        widths = [(5, 6, 3), (4, 6, 6, 3), (6, 5, 5, 4, 3)][rng.integers(3)]
        return onnx_nets.dense(rng, widths, form, scale, normalized), (widths[0],)
    pool = [None, "MaxPool", "AveragePool"][rng.integers(3)]
    return onnx_nets.convolutional(rng, form, scale, normalized, pool), (4, 4, 2)


def property_around(x, width, label, classes=3):
    """No class is at least as large as `label` near an image."""
    return Property(x - width, x + width, other_class(label, classes), classes)


def whole_box(seed, size, pixels=5):
    """A box of at most so many pixels that have several whole values."""
    rng = np.random.default_rng(seed)
    x, width = rng.integers(-2, 3, size).astype("float64"), np.zeros(size)
    width[rng.choice(size, min(size, pixels), replace=False)] = rng.integers(1, 3)
    return x, width


def verdict(model, given, whole=True, seconds=20.0, on_progress=lambda *_: None):
    largest = float(np.abs([given.low, given.high]).max())
    net = onnx_reader.read(model, largest, whole)
    logits = Runtime(model).logits
    options = Options(whole, exactly=True, solver="highs", seconds=seconds)
    return decide(net, given, logits, options, on_progress)


def residual_net(seed):
    """A net with shortcuts of whole sums or of real ones, and the shape of its input."""
    rng = np.random.default_rng(seed)
    return onnx_nets.residual(rng, 5, rng.choice(FORMS), bool(rng.integers(2))), (5,)


def compared(seeds, net_of=random_net, pixels=5):
    """The verdict about each net's clean class, and whether any whole input breaks it."""
    for seed in seeds:
        model, shape = net_of(seed)
        x, width = whole_box(seed, int(np.prod(shape)), pixels)
        logits = Runtime(model).logits
        label = int(logits(x.reshape(1, *shape)).argmax())
        given = property_around(x, width, label)
        ranges = [np.arange(a, b + 1) for a, b in zip(given.low, given.high, strict=True)]
        everything = np.array(list(itertools.product(*ranges))).reshape(-1, *shape)
        broken = given.holds(logits(everything)).any()
        yield seed, verdict(model, given), SAT if broken else UNSAT


@pytest.mark.slow
def test_verdicts_are_those_of_trying_all_inputs(monkeypatch):
    # so that programs find what there is
    monkeypatch.setattr(search, "hints", lambda *bounds: bounds[-1][None][:0])
    monkeypatch.setattr(trial, "WORK", 0)
    results = list(compared(range(200)))
    wrong = [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]
    assert not wrong
    assert sum(v.status == UNKNOWN for _, v, _ in results) <= 10
    assert {v.status for _, v, _ in results} >= {SAT, UNSAT}
    by_programs = [v for _, v, _ in results if v.cases["lp"] + v.cases["integer"]]
    assert len(by_programs) > 5


def test_verdicts_of_trying_all_inputs_are_the_same():
    results = list(compared(range(60)))
    assert not [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]


@pytest.mark.parametrize("programs", [False, True])
def test_verdicts_about_nets_with_shortcuts_are_those_of_trying_all_inputs(monkeypatch, programs):
    if programs:
        monkeypatch.setattr(search, "hints", lambda *bounds: bounds[-1][None][:0])
        monkeypatch.setattr(trial, "WORK", 0)
    results = list(compared(range(60), residual_net, pixels=2))
    assert not [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]
    assert sum(v.status == UNKNOWN for _, v, _ in results) <= 6
    statuses = [v.status for _, v, _ in results]
    assert min(statuses.count(SAT), statuses.count(UNSAT)) >= 6


def test_a_program_that_does_not_fit_into_memory_is_left_open(monkeypatch):
    monkeypatch.setattr(cases, "MOST_TERMS", 10)
    monkeypatch.setattr(trial, "WORK", 0)
    results = list(compared(range(20), residual_net, pixels=2))
    assert not [(seed, v.status) for seed, v, true in results if v.status not in (true, UNKNOWN)]
    open_ = [v for _, v, _ in results if v.status == UNKNOWN]
    assert open_
    assert all("more than 10 terms" in v.note for v in open_)


def test_what_bounds_cannot_exclude_is_tried_or_solved(monkeypatch):
    graph = onnx_nets.Graph()  # no x is both at least 1 and at most 0, as class 1 needs
    graph.then("MatMul", np.float32([[1, -1]]))
    graph.then("Sub", np.float32([1, 0]))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[0, 1], [0, 1]]))
    graph.then("Add", np.float32([1, 0]))
    given = Property(np.array([-5.0]), np.array([5.0]), ((Comparison(1, 0),),), 2)
    result = verdict(graph.model((1,), 2), given)
    assert (result.status, result.cases["tried"]) == (UNSAT, 1)
    monkeypatch.setattr(trial, "WORK", 0)
    result = verdict(graph.model((1,), 2), given)
    assert (result.status, result.cases["lp"] + result.cases["integer"]) == (UNSAT, 1)


def test_grey_levels_on_one_side_of_a_threshold_are_tried_once():
    net = onnx_reader.read(two_inputs("where", [100.5, 3]), 255, whole=True)
    low, high = np.zeros(2), np.full(2, 255.0)
    (batch,) = trial.inputs(net, reaches(net, low, high), low, high, None, most=1000)
    assert sorted(batch.tolist()) == [[0, 0], [0, 3], [101, 0], [101, 3]]


def test_all_grey_levels_are_tried_where_a_shortcut_carries_them_past_the_thresholds():
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    graph.then("Add", "x")
    graph.then("MatMul", np.float32([[1, 0]]))
    net = onnx_reader.read(graph.model((1,), 2), 255, whole=True)
    low, high = np.zeros(1), np.full(1, 9.0)
    (batch,) = trial.inputs(net, reaches(net, low, high), low, high, None, most=1000)
    assert batch.ravel().tolist() == list(range(10))


def test_a_tolerance_that_is_not_sound_is_noticed(monkeypatch):
    monkeypatch.setattr(trial, "WORK", 0)
    monkeypatch.setattr(links, "SLACK", -1.0)
    monkeypatch.setattr(cases, "SLACK", -1.0)
    assert any(v.status == UNSAT and true == SAT for _, v, true in compared(range(60)))


@pytest.mark.parametrize("seed", range(12))
def test_no_real_input_of_a_box_contradicts_a_verdict(seed):
    model, shape = random_net(seed)
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, int(np.prod(shape))).astype("float64")
    logits = Runtime(model).logits
    label = int(logits(x.reshape(1, *shape)).argmax())
    for width in (0.1, 0.4):
        given = property_around(x, width, label)
        result = verdict(model, given, whole=False)
        inputs = x + rng.uniform(-width, width, (2000, len(x)))
        broken = given.holds(logits(inputs.reshape(-1, *shape))).any()
        assert not (broken and result.status == UNSAT)
        if result.status == SAT:
            witness = result.witness.reshape(-1)
            assert (np.abs(witness - x) <= width).all()
            assert given.holds(logits(result.witness[None])).all()


@pytest.mark.parametrize("size", [1.0, 1e-7])
@pytest.mark.parametrize("seed", range(6))
def test_real_weights_of_the_first_and_last_layer_of_any_size(seed, size):
    rng, graph = np.random.default_rng(seed), onnx_nets.Graph()
    graph.then("MatMul", (rng.normal(size=(4, 6)) * size).astype("float32"))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", onnx_nets.signs(rng, 6, 5))
    onnx_nets.sign(graph, "larq")
    graph.then("MatMul", (rng.normal(size=(5, 3)) * size).astype("float32"))
    model, x = graph.model((4,), 3), rng.normal(size=4)
    logits = Runtime(model).logits
    label = int(logits(x[None]).argmax())
    statuses = []
    for width in (0.02, 0.2, 0.6):
        given = property_around(x, width, label)
        result = verdict(model, given, whole=False)
        broken = given.holds(logits(x + rng.uniform(-width, width, (5000, 4)))).any()
        assert result.status in ((SAT,) if broken else (SAT, UNSAT))
        statuses.append(result.status)
    assert (
        sorted(statuses, reverse=True) == statuses
    )  # a larger box is not proved where a smaller is not


def two_inputs(form, thresholds):
    """Class 1 wins where both inputs reach their thresholds; by the sum of two signs and -1."""
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.eye(2, dtype="float32"))
    graph.then("Sub", np.float32(thresholds))
    onnx_nets.sign(graph, form)
    graph.then("MatMul", np.float32([[0, 1], [0, 1]]))
    graph.then("Add", np.float32([1, 0]))
    return graph.model((2,), 2)


BOX = Property(np.array([0.0, 0.0]), np.array([1.0, 3.0]), ((Comparison(1, 0),),), 2)


@pytest.mark.parametrize(
    ("form", "thresholds", "whole", "expected"),
    [
        ("where", [1, 3], False, SAT),  # the corner alone, where both sums are exactly 0
        ("where", [1.01, 3], False, UNSAT),
        ("where", [0.5, 3], True, SAT),
        ("below", [0, 3], False, UNKNOWN),  # at the corner its sign is -1, but for rounding +1
        ("below", [0, 2.75], False, SAT),
        ("below", [0, 2.75], True, SAT),
        ("plain", [1, 2], False, SAT),  # units of 0 and 1 at the corner: 1 >= 1, a tie
    ],
)
def test_verdicts_by_hand(form, thresholds, whole, expected):
    assert verdict(two_inputs(form, thresholds), BOX, whole).status == expected


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_tie_counts_unless_the_comparison_is_strict(scale):
    graph = onnx_nets.Graph()  # both outputs are equal where the input is at least 1
    graph.then("Sub", np.float32([1]))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[0, scale]]))
    graph.then("Add", np.float32([scale, 0]))
    model, low, high = graph.model((1,), 2), np.zeros(1), np.full(1, 3.0)
    for strict, expected in ((False, SAT), (True, UNSAT)):
        given = Property(low, high, ((Comparison(1, 0, strict),),), 2)
        for whole in (True, False):
            assert verdict(model, given, whole).status == expected


def test_all_comparisons_of_a_case_must_hold():
    model = onnx_nets.dense(np.random.default_rng(1), (3, 6, 3), "where")
    low, high = np.full(3, -2.0), np.full(3, 2.0)
    everything = np.array(list(itertools.product(range(-2, 3), repeat=3)), float)
    logits = Runtime(model).logits(everything)
    statuses = set()
    for first, second, third in itertools.permutations(range(3)):
        given = Property(low, high, ((Comparison(first, second), Comparison(second, third)),), 3)
        expected = SAT if given.holds(logits).any() else UNSAT
        assert verdict(model, given).status == expected
        statuses.add(expected)
    assert SAT in statuses


def test_more_inputs_than_can_be_tried_are_left_to_programs(monkeypatch):
    model = onnx_nets.dense(np.random.default_rng(0), (3, 2, 2))
    given = Property(np.full(3, -2.0), np.full(3, 2.0), ((Comparison(0, 1, True),),), 2)
    tried = verdict(model, given)
    monkeypatch.setattr(trial, "MOST_INPUTS", 124)
    net = onnx_reader.read(model, 2.0, whole=True)
    bounds = given.low, given.high
    assert trial.candidates(net, reaches(net, *bounds), given, *bounds, at_first=True) is None
    assert verdict(model, given).status == tried.status
    monkeypatch.setattr(trial, "MOST_INPUTS", 125)
    assert trial.candidates(net, reaches(net, *bounds), given, *bounds, at_first=True) is not None


def test_a_time_limit_gives_timeout():
    model, _ = random_net(3)
    size = int(np.prod([d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]))
    case = (Comparison(0, 1), Comparison(1, 2), Comparison(2, 0))
    given = Property(np.full(size, -3.0), np.full(size, 3.0), (case,), 3)
    assert verdict(model, given, seconds=0.0).status in (TIMEOUT, SAT)


def test_progress_is_the_share_of_cases_that_are_excluded():
    shares = []
    verdict(two_inputs("where", [1.01, 3]), BOX, False, on_progress=lambda _, s: shares.append(s))
    assert shares[-1] == 1
