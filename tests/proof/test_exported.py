"""Nets that `brnn export` writes, read again: the logits of ONNX Runtime."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.exported_nets import NETS, images, model_of

from brnn.errors import DataError
from brnn.exchange import onnx_formats, qonnx_format
from brnn.exchange.reading import read
from brnn.proof import onnx_reader
from brnn.proof.runtime import Runtime

DATA = Path(os.environ.get("BRNN_DATA", "data"))
X = images(300)


@pytest.mark.parametrize("keys", NETS.values(), ids=NETS)
@pytest.mark.parametrize("form", ["onnx", "onnx_packed", "qonnx"])
def test_a_net_has_the_logits_that_onnx_runtime_computes(form, keys, tmp_path):
    if form == "qonnx":
        pytest.importorskip("qonnx")
    write = {"qonnx": qonnx_format.qonnx}.get(form) or getattr(onnx_formats, form)
    content = write(read(model_of(**keys), pixels=True)).content
    (tmp_path / "net.onnx").write_bytes(content)
    model = onnx_reader.load(tmp_path / "net.onnx")
    packed = form == "onnx_packed"
    x = X if packed else X.astype("float32") * np.float32(1 / 255)
    net = onnx_reader.read(model, 255.0 if packed else 1.0, whole=packed)
    runtime = Runtime(model)  # a net in QONNX takes one row
    rows = [runtime.logits(x[i : i + 1]) for i in range(len(x))]
    expected = np.concatenate(rows)
    equal = np.isclose(net.logits(x), expected, rtol=1e-5, atol=1e-4).all(axis=1)
    assert equal.mean() > (0.999 if packed else 0.98)  # of the others rounding decides a sign


@pytest.mark.skipif(not (DATA / "qonnx").is_dir(), reason="needs BRNN_DATA")
def test_a_net_of_brevitas_has_the_logits_that_onnx_runtime_computes():
    model = onnx_reader.load(DATA / "qonnx/TFC_1W1A.onnx")
    net, rng = onnx_reader.read(model, 1.0, whole=False), np.random.default_rng(0)
    x = rng.uniform(size=(1, *net.shape)).astype("float32")
    np.testing.assert_allclose(net.logits(x), Runtime(model).logits(x), rtol=1e-4, atol=1e-4)
    with pytest.raises(DataError, match="Quant_13: its input 35 is not constant"):
        onnx_reader.load(DATA / "qonnx/TFC_1W2A.onnx")


def test_bytes_are_whole_numbers():
    content = onnx_formats.onnx_packed(read(model_of(), pixels=True)).content
    with pytest.raises(DataError, match="add pixels=whole"):
        onnx_reader.read(onnx.load_from_string(content), 255.0, whole=False)
