"""The thresholds of proofs and of exports, found by one function from two rules."""

import numpy as np
import pytest
from support.exported_nets import NETS, model_of

from brnn.exchange.reading import read
from brnn.proof.keras_net import KerasNet
from brnn.quantization.manager import QuantManager


@pytest.mark.parametrize("keys", NETS.values(), ids=NETS)
def test_proof_and_export_agree_on_every_sum(keys):
    model = model_of(**keys)
    net = read(model, pixels=True)
    discretized = QuantManager(model, ()).discretized()
    hidden = KerasNet("net", discretized, 255.0).integers(255.0, whole=True).hidden
    layers = net.layers[:-1]
    for layer, proved in zip(layers, hidden[-len(layers) :], strict=True):  # without that of inputs
        before = layer.kernel.shape[0]  # the last columns are those of the layer before
        rows = proved.weights[:, -before:].toarray()[proved.windows[:, 0]]
        assert not proved.weights[:, :-before].nnz
        sums = np.arange(-layer.reach, layer.reach + 1)[:, None]
        reached = (sums[..., None] * layer.sign[:, None] >= layer.threshold.T).sum(axis=-1)
        exported = np.array(layer.values)[reached]
        turned = np.where((rows == layer.kernel.T).all(axis=1), 1, -1)
        assert np.array_equal(rows, turned[:, None] * layer.kernel.T)
        up = turned * sums
        count = (up[..., None] >= proved.at[:, 0]).sum(axis=-1)
        values = np.take_along_axis(proved.values, count.T, axis=1).T
        sure = ((up[..., None] >= proved.rise[:, 0]) | (up[..., None] <= proved.fall[:, 0])).all(-1)
        assert np.array_equal(values, exported)
        assert sure.mean() > 0.999
