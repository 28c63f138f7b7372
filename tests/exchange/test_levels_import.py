"""Files of levels that are read: the logits of the net that wrote them."""

import keras
import numpy as np
import pytest
from support.exported_nets import (
    CONVOLUTIONS,
    NETS,
    convolutional_of,
    evaluation,
    images,
    model_of,
)
from support.imported_nets import quantized

from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.exchange.calibration import calibrate
from brnn.exchange.check import reference
from brnn.exchange.files import read_net
from brnn.exchange.levels import levels
from brnn.exchange.reading import read

MADE = [(name, model_of, keys) for name, keys in NETS.items()]
MADE += [(name, convolutional_of, keys) for name, keys in CONVOLUTIONS.items()]


@pytest.mark.parametrize(
    ("make", "keys"), [pair for _, *pair in MADE], ids=[name for name, *_ in MADE]
)
def test_a_net_that_left_comes_back(make, keys, tmp_path):
    net = read(make(**keys), pixels=True)
    path = tmp_path / "net.npz"
    path.write_bytes(levels(net).content)
    x = images(300, image=net.shape)
    model = quantized(read_net(path, net.shape, True, 0, 1))
    returned = read(model, pixels=True)
    np.testing.assert_allclose(returned.logits(x), net.logits(x), rtol=1e-5, atol=1e-4)
    found = np.asarray(model(to_pixels(x.reshape(-1, *model.input_shape[1:]))))
    np.testing.assert_allclose(found, net.logits(x), rtol=1e-5, atol=1e-4)
    assert not reference(evaluation(model), returned, x).undecided.any()


@pytest.mark.parametrize(
    ("make", "keys"), [pair for _, *pair in MADE], ids=[name for name, *_ in MADE]
)
def test_batch_statistics_decide_as_the_file_does_once_they_are_calibrated(make, keys, tmp_path):
    net = read(make(**keys), pixels=True)
    (tmp_path / "net.npz").write_bytes(levels(net).content)
    x = images(300, image=net.shape)
    imported = read_net(tmp_path / "net.npz", net.shape, True, 0, 1)
    pixels = np.asarray(to_pixels(x.reshape(-1, *imported.model.input_shape[1:])))
    calibrate(imported.model, imported.precision["activation"]["quantizer"], pixels)
    model = quantized(imported)
    for training in (False, True):
        close = np.isclose(model(pixels, training=training), net.logits(x), rtol=1e-2, atol=1e-2)
        assert close.all(axis=1).mean() > 0.9  # elsewhere rounding moves a sum that is near 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert np.any(np.asarray(layer.moving_mean) != 0)


@pytest.mark.parametrize("name", ["layers", "shape", "0/kernel", "0/at", "1/shape"])
def test_an_array_that_is_missing_is_named(name, tmp_path):
    (tmp_path / "net.npz").write_bytes(levels(read(model_of(), pixels=True)).content)
    with np.load(tmp_path / "net.npz") as file:
        arrays = {key: value for key, value in file.items() if key != name}
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(DataError, match=f"format levels: it lacks '{name.rpartition('/')[2]}'"):
        read_net(tmp_path / "net.npz", (5, 6), True, 0, 1)


def test_real_activations_are_refused_by_their_layer(tmp_path):
    net = read(model_of(signs=False), pixels=True)
    (tmp_path / "net.npz").write_bytes(levels(net).content)
    with pytest.raises(DataError, match="layer_0: it has real sums and an activation"):
        read_net(tmp_path / "net.npz", net.shape, True, 0, 1)


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_a_truncated_file_is_named(keep, tmp_path):
    content = levels(read(model_of(), pixels=True)).content
    (tmp_path / "net.npz").write_bytes(content[:keep])
    with pytest.raises(DataError, match=r"net\.npz is not a complete file of the format levels"):
        read_net(tmp_path / "net.npz", (5, 6), True, 0, 1)


def test_a_pickled_file_is_refused(tmp_path):
    np.savez(tmp_path / "net.npz", layers=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="is not a complete file of the format levels"):
        read_net(tmp_path / "net.npz", (5, 6), True, 0, 1)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"net\.npz is not a file"):
        read_net(tmp_path / "net.npz", (5, 6), True, 0, 1)
