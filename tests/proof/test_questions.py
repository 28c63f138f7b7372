"""Questions about images: the smallest change against trying all images, and what is refused."""

import itertools

import numpy as np
import pytest
from support import onnx_nets

from brnn.errors import DataError
from brnn.proof.ball import distance
from brnn.proof.decide import SAT, UNSAT
from brnn.proof.subjects import OnnxNet
from brnn.proof.verify import Question, verify

LARGEST = 9
EVERYTHING = np.array(list(itertools.product(range(LARGEST + 1), repeat=2)), "float32")
KEYS = {
    "seconds": 20.0,
    "solver": "highs",
    "divisor": 1.0,
    "variance_epsilon": None,
    "program": None,
}


def asked(net, image, norm, epsilon, minimal, label, pixels="whole"):
    """The verdict on an image in a file."""
    question = Question(image, label, epsilon, norm, float(LARGEST), minimal)
    return verify(net, question, lambda *_: None, pixels=pixels, **KEYS)[0]


@pytest.mark.parametrize("norm", ["linf", "l0", "l1", "l2"])
def test_the_smallest_change_is_that_of_trying_all_images(norm, tmp_path):
    statuses, proved, budget = set(), 0, 1.0 if norm == "l0" else 2.0
    for seed in range(16):
        rng = np.random.default_rng(seed)
        net = OnnxNet("net", onnx_nets.dense(rng, (2, 5, 3), "where"), 1.0)
        x = rng.integers(0, LARGEST + 1, 2).astype("float32")
        np.save(tmp_path / "x.npy", x)
        label = seed % 3  # the class of some images, but not of all
        logits = net.logits(EVERYTHING)
        rivals = np.delete(logits, label, axis=1).max(axis=1)
        sizes = distance(EVERYTHING.astype("float64") - x, norm)
        smallest = sizes[rivals >= logits[:, label]].min(initial=np.inf)
        verdict = asked(net, tmp_path / "x.npy", norm, budget, True, label)
        low, high = verdict.radius
        assert low < smallest <= high or smallest == high == 0
        if verdict.proved and np.isfinite(high):
            assert smallest == high or (norm == "l2" and high <= 1.1 * low)
        for status in (
            verdict.status,
            asked(net, tmp_path / "x.npy", norm, budget, False, label).status,
        ):
            if status in (SAT, UNSAT):
                assert (status == SAT) == (smallest <= budget)
        statuses.add(verdict.status)
        proved += verdict.proved
    assert {SAT, UNSAT} <= statuses
    assert proved > 8


def test_whole_pixels_around_an_image_with_fractions_are_refused_in_a_ball(tmp_path):
    net = OnnxNet("net", onnx_nets.dense(np.random.default_rng(0), (2, 5, 3), "where"), 1.0)
    np.save(tmp_path / "x.npy", np.float32([3.25, 1.25]))
    for norm in ("l0", "l1", "l2"):
        with pytest.raises(DataError, match=f"the image must have whole pixels in {norm} where"):
            asked(net, tmp_path / "x.npy", norm, 1.0, False, 0)
    assert asked(net, tmp_path / "x.npy", "linf", 1.0, False, 0).status in (SAT, UNSAT)


def test_an_image_alone_is_decided(tmp_path):
    for seed in range(6):
        net = OnnxNet("net", onnx_nets.dense(np.random.default_rng(seed), (2, 5, 3), "where"), 1.0)
        x = np.float32([4.25, 2.25])
        np.save(tmp_path / "x.npy", x)
        label = int(net.logits(x[None]).argmax())
        assert asked(net, tmp_path / "x.npy", "linf", 0.125, False, label).status in (SAT, UNSAT)
        assert asked(net, tmp_path / "x.npy", "l1", 1e-9, False, label, "real").status in (
            SAT,
            UNSAT,
        )
