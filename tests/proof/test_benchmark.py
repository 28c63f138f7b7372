"""The net of VNN-COMP's traffic signs: boxes that no tool of 2026 decided."""

import os
from pathlib import Path

import numpy as np
import pytest

from brnn.proof import onnx_reader, vnnlib
from brnn.proof.decide import SAT, UNSAT, Options, decide
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Property, other_class

DATA = Path(os.environ.get("BRNN_DATA", "data"))
pytestmark = pytest.mark.skipif(not (DATA / "vnncomp").is_dir(), reason="needs BRNN_DATA")
LARGEST, CLASSES = 256.0, 43


@pytest.fixture(scope="module")
def net():
    model = onnx_reader.load(DATA / "vnncomp/net30.onnx")
    return onnx_reader.read(model, LARGEST, whole=False), Runtime(model)


def verdict(net, given, seconds):
    options = Options(whole=False, exactly=True, solver="highs", seconds=seconds)
    return decide(net[0], given, net[1].logits, options, lambda *_: None)


@pytest.mark.slow
def test_image_12375_is_broken_within_1_where_pixels_may_exceed_255(net):
    with np.load(DATA / "gtsrb30.npz") as file:
        (number,) = np.flatnonzero(file["row"] == 12375)
        x, label = file["x"][number].ravel().astype("float64"), int(file["y"][number])
    given = Property(x - 1, x + 1, other_class(label, CLASSES), CLASSES)
    result = verdict(net, given, seconds=240.0)
    assert result.status == SAT
    assert given.holds(net[1].logits(result.witness[None])).all()
    assert result.witness.max() > 255


@pytest.mark.parametrize("image", [3, 12375])
def test_small_boxes_are_proved_by_bounds_alone(net, image):
    given = vnnlib.read(DATA / f"vnncomp/net30_image_{image}_eps_0.25.vnnlib.gz")
    result = verdict(net, given, seconds=100.0)
    assert (result.status, result.cases["interval"]) == (UNSAT, CLASSES - 1)
