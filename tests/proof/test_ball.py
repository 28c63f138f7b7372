"""Balls in L0, L1 and L2: bounds, rows and verdicts against all images that they contain."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from support import onnx_nets

from brnn.proof import onnx_reader
from brnn.proof.ball import Ball, constraint, distance, tangent
from brnn.proof.cases import Network
from brnn.proof.decide import SAT, UNKNOWN, UNSAT, Options, decide
from brnn.proof.highs import highs
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import other_class, property_near

NORMS = ["l0", "l1", "l2"]
LARGEST = 2.0
EVERYTHING = np.array(list(itertools.product(range(3), repeat=5)), "float64")
CENTER = np.array([0.0, 1, 2, 1, 0])


def balls():
    radii = {"l0": (1, 2, 3), "l1": (1, 2, 4), "l2": (1, 1.5, 2)}
    return [(norm, radius) for norm in NORMS for radius in radii[norm]]


def test_distances_by_hand():
    change = np.array([[3.0, 0, -4], [0, 0, 0]])
    assert distance(change, "l0").tolist() == [2, 0]
    assert distance(change, "l1").tolist() == [7, 0]
    assert distance(change, "l2").tolist() == [5, 0]
    assert distance(change, "linf").tolist() == [4, 0]


@pytest.mark.parametrize(
    ("norm", "radius", "most"),
    [("l0", 1, 6.0), ("l0", 2, 8.0), ("l1", 1, 3.0), ("l2", 1, np.sqrt(14))],
)
def test_bounds_by_hand(norm, radius, most):
    """Weights 1, -2, 3 at 0, with pixels between -1 and 2."""
    ball = Ball(np.zeros(3), norm, radius)
    low, high = np.full(3, -1.0), np.full(3, 2.0)
    least, largest = ball.bounds(csr_array([[1.0, -2, 3]]), low, high)
    np.testing.assert_allclose(largest, most, rtol=1e-6)
    assert least[0] < 0


@pytest.mark.parametrize(("norm", "radius"), balls())
def test_bounds_and_rows_hold_for_all_images_of_a_ball(norm, radius):
    rng = np.random.default_rng(0)
    ball = Ball(CENTER, norm, radius)
    low, high = np.zeros(5), np.full(5, LARGEST)
    inside = EVERYTHING[ball.contains(EVERYTHING)]
    assert 1 < len(inside) < len(EVERYTHING)
    weights = csr_array(rng.integers(-3, 4, (8, 5)).astype("float64"))
    least, most = ball.bounds(weights, low, high)
    sums = inside @ weights.toarray().T
    assert (least <= sums.min(axis=0)).all()
    assert (most >= sums.max(axis=0)).all()
    if norm == "l0":
        np.testing.assert_allclose(most, sums.max(axis=0), atol=1e-6)
    rows = constraint(ball, low, high - low, np.arange(5))
    for x in EVERYTHING:
        change = np.abs(x - CENTER)
        sizes = {"l0": (change > 0) * 1.0, "l1": change, "l2": np.zeros(0)}[norm]
        holds = (rows.rows @ np.concatenate([x - low, sizes]) >= rows.least).all()
        assert holds == (norm == "l2" or ball.contains(x[None])[0])


def test_a_tangent_separates_a_point_from_the_ball():
    ball, low = Ball(CENTER, "l2", 1.5), np.zeros(5)
    point = np.array([2.0, 2, 2, 1, 0])
    row, least = tangent(ball, point, low, np.arange(5))
    assert row @ (point - low) < least
    inside = EVERYTHING[ball.contains(EVERYTHING)]
    assert (inside @ row >= least).all()


@pytest.mark.parametrize(("norm", "radius"), balls())
def test_the_nearest_image_is_in_ball_and_box(norm, radius):
    rng = np.random.default_rng(0)
    ball = Ball(CENTER, norm, radius)
    images = rng.uniform(0, LARGEST, (50, 5))
    result = ball.nearest(images, rng.normal(size=5))
    assert ball.contains(result).all()
    assert ((result >= 0) & (result <= LARGEST)).all()
    assert (ball.distance(result) > 0).all()


def verdict(model, given, whole):
    net = onnx_reader.read(model, LARGEST, whole)
    options = Options(whole, exactly=True, solver="highs", seconds=20.0)
    return decide(net, given, Runtime(model).logits, options, lambda *_: None)


@pytest.mark.parametrize("form", ["where", "plain"])
@pytest.mark.parametrize(("norm", "radius"), balls())
def test_verdicts_are_those_of_trying_all_images_of_a_ball(norm, radius, form):
    statuses = []
    for seed in range(8):
        model = onnx_nets.dense(np.random.default_rng(seed), (5, 6, 3), form)
        logits = Runtime(model).logits
        label = int(logits(CENTER[None]).argmax())
        given = property_near(CENTER, norm, radius, LARGEST, other_class(label, 3))
        inside = EVERYTHING[given.ball.contains(EVERYTHING)]
        broken = given.holds(logits(inside)).any()
        result = verdict(model, given, whole=True)
        assert result.status in (SAT if broken else UNSAT, UNKNOWN)
        if result.status == SAT:
            assert given.ball.contains(result.witness.reshape(1, -1))[0]
        statuses.append(result.status)
    assert statuses.count(UNKNOWN) == 0


def test_a_tangent_of_one_case_excludes_no_image_from_another():
    """Two units see different pixels; each class wins by one of them."""
    graph = onnx_nets.Graph()
    graph.then("Sub", np.float32([1.5, 1.5]))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[0, 1, 0], [0, 0, 1]]))
    graph.then("Add", np.float32([0, 0, 0]))
    model = graph.model((2,), 3)
    net = onnx_reader.read(model, LARGEST, whole=False)
    given = property_near(np.array([0.9, 0.9]), "l2", 0.62, LARGEST, other_class(0, 3))
    low, high = given.low, given.high
    network = Network(net, low, high, False, given.ball)
    for case in given.cases:
        for point in ([1.9, 1.9], [1.9, 0.2], [0.2, 1.9]):
            network.cut_off(np.array(point))
        assert highs(network.problem(case), 5.0).values is not None


@pytest.mark.parametrize("norm", NORMS)
def test_no_real_image_of_a_ball_contradicts_a_verdict(norm):
    rng, statuses = np.random.default_rng(0), set()
    for seed in range(6):
        model = onnx_nets.dense(np.random.default_rng(seed), (5, 6, 3), "where")
        logits = Runtime(model).logits
        x = np.random.default_rng(seed).uniform(0.3, 1.7, 5)
        label = int(logits(x[None]).argmax())
        for radius in {"l0": (1, 2), "l1": (0.1, 0.5), "l2": (0.1, 0.4)}[norm]:
            given = property_near(x, norm, radius, LARGEST, other_class(label, 3))
            images = given.ball.nearest(rng.uniform(0, LARGEST, (3000, 5)), rng.normal(size=5))
            broken = given.holds(logits(images)).any()
            result = verdict(model, given, whole=False)
            assert not (broken and result.status == UNSAT)
            if result.status == SAT:
                assert given.ball.contains(result.witness.reshape(1, -1))[0]
            statuses.add(result.status)
    assert statuses >= ({SAT} if norm == "l0" else {SAT, UNSAT})
