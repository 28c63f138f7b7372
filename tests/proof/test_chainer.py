"""Archives of bnn-verification: nets with their optima, which MaxSAT solvers found in 2020."""

import os
from pathlib import Path

import numpy as np
import pytest

from brnn.errors import ConfigError, DataError
from brnn.proof import chainer, subjects
from brnn.proof.verify import Question, verify

FOLDER = Path(os.environ.get("BRNN_DATA", "data")) / "bnnverification"
needs_data = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs BRNN_DATA")
EPSILON = 2e-5


@needs_data
@pytest.mark.parametrize(
    ("net", "image", "label", "optimum"),
    [
        ("mnist", "bnn_mnist_7", 9, 1),
        ("mnist_rot", "bnn_mnist_rot_8", 1, 1),
        ("mnist_rot", "bnn_mnist_rot_16", 5, 1),
        ("mnist_back_image", "bnn_mnist_back_image_32", 3, 2),
    ],
)
def test_the_smallest_change_is_the_known_optimum(tmp_path, net, image, label, optimum):
    pictures = pytest.importorskip("PIL.Image")
    pixels = np.asarray(pictures.open(FOLDER / f"{image}_label{label}.png"))
    lying = pixels if net == "mnist" else pixels.T  # as these nets were trained
    np.save(tmp_path / "image.npy", lying.ravel())

    def status(change):
        asked = Question(tmp_path / "image.npy", label, change, "linf", 255)
        options = {"seconds": 60.0, "solver": "highs", "pixels": "whole", "divisor": 1.0}
        options |= {"program": None}
        path, epsilon = FOLDER / f"{net}.npz", EPSILON
        return verify(path, asked, lambda *_: None, variance_epsilon=epsilon, **options)[0].status

    assert [status(change) for change in range(1, optimum + 1)] == ["unsat"] * (optimum - 1) + [
        "sat"
    ]


def archive(path, **others):
    rng = np.random.default_rng(0)
    normalized = ("gamma", "beta", "avg_mean", "avg_var")
    arrays = {f"input_bn/{key}": np.ones(4, "float32") for key in normalized}
    arrays |= {f"blocks/0/bn/{key}": np.ones(3, "float32") for key in normalized}
    arrays |= {"blocks/0/lin/W": rng.choice([-1, 1], (3, 4)), "blocks/0/lin/b": np.zeros(3)}
    arrays |= {"output_lin/W": rng.choice([-1, 1], (2, 3)), "output_lin/b": np.zeros(2)} | others
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_the_epsilon_is_asked_for_and_other_archives_are_refused(tmp_path):
    path = tmp_path / "net.npz"

    def load(epsilon=EPSILON, **others):
        with np.load(archive(path, **others)) as arrays:
            return chainer.load(path, dict(arrays), epsilon)

    assert len(load().graph.node) == 1 + 3 + 5 + 2
    assert subjects.load(path, 1.0, EPSILON).shape == (4,)
    with pytest.raises(ConfigError, match="add variance_epsilon=2e-05"):
        load(None)
    with pytest.raises(DataError, match="lacks blocks/0/bn/gamma"):
        load(**{"blocks/0/bn/gamma": None})
    with pytest.raises(DataError, match="nor one of bnn-verification: it lacks 'output_lin/W'"):
        load(**{"output_lin/W": None})
