"""Nets in files of Keras and of `brnn export`: their own logits, and the same in whole numbers."""

import io
import subprocess
import sys

import numpy as np
import pytest
from support.exported_nets import NETS, exact_nets, images, model_of
from support.proof_nets import dense_net, with_weights

from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.exchange import levels_reader
from brnn.exchange.levels import levels
from brnn.exchange.reading import read
from brnn.proof import subjects
from brnn.proof.verify import Question, verify
from brnn.quantization.manager import QuantManager

X = images(200)
OPTIONS = {
    "seconds": 20.0, "solver": "highs", "pixels": "whole", "divisor": 255, "variance_epsilon": None,
    "program": None,
}  # fmt: skip


def share(given, expected):
    return np.isclose(given, expected, rtol=1e-5, atol=1e-4).all(axis=1).mean()


@pytest.mark.parametrize("name", ["binary", "ternary", "one bit", "plain"])
def test_a_file_of_keras_takes_grey_levels_by_its_divisor(tmp_path, name):
    model, path = model_of(**NETS[name]), tmp_path / "net.keras"
    QuantManager(model, ()).discretized().save(path)
    subject = subjects.load(path, 255.0, None)
    expected = np.asarray(model(to_pixels(X)))
    assert share(subject.logits(X), expected) == 1
    assert share(subject.integers(255.0, whole=True).logits(X), expected) > 0.98


@pytest.mark.parametrize("make", **exact_nets())
def test_an_archive_of_levels_is_read_as_its_reader_computes_it(tmp_path, make):
    path, model = tmp_path / "net.npz", make()
    path.write_bytes(levels(read(model, pixels=True)).content)
    x = images(60, image=model.inputs[0].shape[1:])
    subject = subjects.load(path, 1.0, None)
    expected = levels_reader.logits(path, x)
    assert share(subject.logits(x), expected) == 1
    assert share(subject.integers(255.0, whole=True).logits(x), expected) > 0.95


def test_archives_of_other_nets_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    content = levels(read(model_of(signs=False), pixels=True)).content
    path.write_bytes(content)
    with pytest.raises(DataError, match="the activation tanh is not supported"):
        subjects.load(path, 1.0, None).integers(255.0, whole=True)
    path.write_bytes(content[:100])
    with pytest.raises(DataError, match="is not a complete archive"):
        subjects.load(path, 1.0, None)
    arrays = dict(np.load(io.BytesIO(content)))
    np.savez(path, **{k: v for k, v in arrays.items() if k != "1/kernel"})
    with pytest.raises(DataError, match="is not an archive of format=levels"):
        subjects.load(path, 1.0, None)
    np.savez(path, **{k: v for k, v in arrays.items() if k != "0/kernel"})
    with pytest.raises(DataError, match="neither an archive of format=levels nor one of bnn-"):
        subjects.load(path, 1.0, None)


def test_files_that_keras_cannot_load_are_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match=r"other.keras is not a file"):
        subjects.load(tmp_path / "other.keras", 1.0, None)
    (tmp_path / "net.keras").write_bytes(b"no archive")
    with pytest.raises(DataError, match="is not a net that Keras can load") as error:
        subjects.load(tmp_path / "net.keras", 1.0, None)
    assert "\n" not in str(error.value)


def test_a_picture_and_an_array_ask_the_same_in_every_norm(tmp_path):
    pictures = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(3)
    model = with_weights(dense_net(pixels=6, width=7), rng, [-1.0, 1.0])
    QuantManager(model, ()).discretized().save(tmp_path / "net.keras")
    x = rng.integers(100, 150, 6).astype("uint8")
    label = int(np.argmax(model(to_pixels(x[None]))[0]))
    pictures.fromarray(x.reshape(2, 3)).save(tmp_path / "x.png")
    np.save(tmp_path / "x.npy", x)
    for norm, epsilon in (("linf", 40), ("l0", 2), ("l1", 60), ("l2", 50)):
        answers = []
        for name in ("x.png", "x.npy"):
            asked = Question(tmp_path / name, label, epsilon, norm, 255.0)
            answers.append(verify(tmp_path / "net.keras", asked, lambda *_: None, **OPTIONS)[0])
        assert answers[0].status == answers[1].status
        if answers[0].witness is not None:
            change = np.abs(answers[0].witness.ravel() - x)
            sizes = {"linf": change.max(), "l0": (change > 0).sum(), "l1": change.sum()}
            assert sizes.get(norm, np.linalg.norm(change)) <= epsilon
            levels_ = answers[0].witness.astype("uint8")
            logits = np.asarray(model(to_pixels(levels_[None])))[0]
            assert np.delete(logits, label).max() >= logits[label]  # a tie counts


def test_a_picture_in_colour_has_its_channels_where_the_net_has_them(tmp_path):
    pictures = pytest.importorskip("PIL.Image")
    from brnn.proof import images as files

    x = np.random.default_rng(0).integers(0, 256, (2, 4, 3), "uint8")
    pictures.fromarray(x).save(tmp_path / "x.png")
    np.testing.assert_array_equal(files.read(tmp_path / "x.png", (2, 4, 3)), x.ravel())
    moved = files.read(tmp_path / "x.png", (3, 2, 4))
    np.testing.assert_array_equal(moved, x.transpose(2, 0, 1).ravel())
    with pytest.raises(DataError, match="has 8 values, the net takes 9"):
        files.read(tmp_path / "x.png", (9,))
    (tmp_path / "x.png").write_bytes(b"none")
    with pytest.raises(DataError, match="is neither an array"):
        files.read(tmp_path / "x.png", (9,))


def test_nets_in_onnx_are_decided_without_tensorflow():
    code = "import sys, brnn.proof.verify, brnn.proof.instances; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
