"""The units of a net that a budget leaves open, counted by hand and by trying all images."""

import numpy as np
import pytest
from support.proof_nets import dense_net, image_of, neighbours, random_net

from brnn.proof.attacked import AttackedNet


@pytest.mark.parametrize(
    ("norm", "epsilon", "count"),
    [("linf", 0.25, 4), ("linf", 0.01, 0), ("l2", 0.25, 4), ("l0", 1.0, 8)],  # in L0 any pixel
)
def test_open_units_are_the_bits_and_the_units_that_follow_them(norm, epsilon, count):
    model = dense_net(pixels=4, width=4, binary_input=True)
    model.get_layer("hidden_0").set_weights([np.eye(4) * 2, -np.ones(4)])
    x = np.float32([0.6, 0.3, 0.9, 0.1])  # two bits can flip, and two units with them
    assert AttackedNet(model, norm, whole=False).open_units(x, epsilon) == count


def test_units_that_differ_among_grey_levels_are_open():
    for seed in range(20):
        model = random_net(seed)
        net = AttackedNet(model, "linf", whole=True)
        levels = image_of(model, seed)
        inputs = neighbours(levels).reshape(-1, levels.size).T.astype("float64")
        differ = 0
        for layer in net.net.hidden:
            units = layer.outputs(inputs)
            differ += int((units != units[:, :1]).any(axis=1).sum())
            inputs = np.concatenate([inputs, units])
        assert differ <= net.open_units(levels.astype("float32") * np.float32(1 / 255), 1.2 / 255)
