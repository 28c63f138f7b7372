"""A net that Larq 0.14 saved: its outputs, from its arrays and JSON alone."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.imported_nets import quantized

from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.exchange.files import read_net
from brnn.exchange.reading import read

SAVED = Path(__file__).parents[1] / "support/larq_net.h5"  # by larq_net.py beside it
OUTPUTS = SAVED.with_suffix(".npz")
LARQ = os.environ.get("LARQ_PYTHON")


def check(path, outputs):
    with np.load(outputs) as file:
        x, expected = file["x"], file["probabilities"]
    assert len(np.unique(expected.argmax(axis=1))) > 1
    imported = read_net(path, (8, 8), True, 0, 1)
    assert (imported.precision["kernel"]["quantizer"], imported.real) == ("ternary", [])
    model = quantized(imported)
    for logits in (np.asarray(model(to_pixels(x[..., None]))), read(model, True).logits(x)):
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        found = shares / shares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_saved_net_has_the_outputs_of_larq():
    check(SAVED, OUTPUTS)


@pytest.mark.skipif(not LARQ, reason="LARQ_PYTHON is not set")
def test_a_net_that_larq_saves_now_has_its_outputs(tmp_path):
    files = [str(tmp_path / "net.h5"), str(tmp_path / "net.npz")]
    subprocess.run([LARQ, str(SAVED.with_suffix(".py")), *files], check=True, capture_output=True)
    check(*map(Path, files))


@pytest.mark.parametrize(
    ("text", "other", "message"),
    [
        ("QuantDense", "QuantSeparableConv2D", r"\(QuantSeparableConv2D\): the layer is not"),
        ("MaxPooling2D", "AveragePooling2D", r"\(AveragePooling2D\): the layer is not supported"),
        ('"MagnitudeAwareSign"', '"DoReFa"', "the quantizer do_re_fa of kernels is not supported"),
    ],
)
def test_what_is_not_supported_is_named(text, other, message, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(SAVED.read_bytes())
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        assert text in config
        file.attrs["model_config"] = config.replace(text, other)
    with pytest.raises(DataError, match=message):
        read_net(path, (8, 8), True, 0, 1)


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_file_is_named(keep, tmp_path):
    (tmp_path / "net.h5").write_bytes(SAVED.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"net\.h5 is not a complete \.h5 file"):
        read_net(tmp_path / "net.h5", (8, 8), True, 0, 1)
