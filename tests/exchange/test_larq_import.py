"""A net that Larq 0.14 saved: its outputs, from its arrays and JSON alone."""

import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.imported_nets import quantized

from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.exchange import c as c_format
from brnn.exchange.files import read_net
from brnn.exchange.reading import read

SUPPORT = Path(__file__).parents[1] / "support"
NETS = ("signs", "bits", "ternary")
SAVED = SUPPORT / "larq" / "signs.h5"  # by larq_nets.py
INPUTS = r'("input_quantizer": \{[^}]*)"SteSign"'
LARQ = os.environ.get("LARQ_PYTHON")


def check(folder, name):
    with np.load(folder / f"{name}.npz") as file:
        x, expected = file["x"], file["outputs"]
    assert len(np.unique(expected.argmax(axis=1))) > 1
    imported = read_net(folder / f"{name}.h5", (8, 8), True, 0, 1)
    assert (imported.precision["kernel"]["quantizer"], imported.real) == ("ternary", [])
    model = quantized(imported)
    net = read(model, True)
    computed = [np.asarray(model(to_pixels(x[..., None]))), net.logits(x)]
    computed += [logits(x) for logits in c_format.c(net).runtimes.values()]
    for found in computed:
        if name == "signs":  # which ends with a softmax
            shares = np.exp(found - found.max(axis=1, keepdims=True))
            found = shares / shares.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_saved_net_has_the_outputs_of_larq(name):
    check(SUPPORT / "larq", name)


@pytest.mark.skipif(not LARQ, reason="LARQ_PYTHON is not set")
def test_nets_that_larq_saves_now_have_its_outputs(tmp_path):
    command = [LARQ, str(SUPPORT / "larq_nets.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for name in NETS:
        check(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "other", "message"),
    [
        ("QuantDense", "QuantSeparableConv2D", r"\(QuantSeparableConv2D\): the layer is not"),
        ("MaxPooling2D", "AveragePooling2D", r"\(AveragePooling2D\): the layer is not supported"),
        ('"MagnitudeAwareSign"', '"NoOp"', "the quantizer no_op of kernels is not supported"),
        (INPUTS, r'\1"DoReFa"', "do_re_fa of inputs has 4 levels; two or three are read"),
        (INPUTS, r'\1"MagnitudeAwareSign"', "activation magnitude_aware_sign of inputs is not"),
        (INPUTS, r'\1"SteTern"', "the activations of the net have two levels and three"),
    ],
)
def test_what_is_not_supported_is_named(text, other, message, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(SAVED.read_bytes())
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        changed, count = re.subn(text, other, config, count=1)
        assert count
        file.attrs["model_config"] = changed
    with pytest.raises(DataError, match=message):
        read_net(path, (8, 8), True, 0, 1)


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_file_is_named(keep, tmp_path):
    (tmp_path / "net.h5").write_bytes(SAVED.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"net\.h5 is not a complete \.h5 file"):
        read_net(tmp_path / "net.h5", (8, 8), True, 0, 1)
