"""Likely counterexamples: where the gradient points, and of each rival."""

from dataclasses import replace

import numpy as np
import pytest
from support.proof_nets import CLASSES, class_of, dense_net, image_of, random_net

from brnn.proof.attacked import AttackedNet
from brnn.proof.hints import STEPS, hints
from brnn.proof.vnnlib import other_class, property_near

RADII = {"linf": 1.0, "l0": 2, "l1": 3.0, "l2": 2.0}


def test_the_first_step_goes_to_the_corner_that_raises_the_unit_of_the_rivals():
    model = dense_net(pixels=2, width=1)
    model.get_layer("hidden_0").set_weights([np.float32([[1], [-1]]), np.zeros(1)])
    model.get_layer("logits").set_weights([np.float32([[-1, 1, 0]]), np.zeros(3)])
    net = AttackedNet(model, "linf", whole=True).net
    given = property_near(np.array([100.0, 150.0]), "linf", 20, 255, other_class(0, CLASSES))
    images = hints(net, given, given.low, given.high)  # 100 - 150 < 0: class 0, the unit is down
    assert images[:2].tolist() == [[120, 130], [120, 130]]  # of class 1, and of class 2


@pytest.mark.parametrize("norm", RADII)
def test_rivals_that_are_followed_together_are_those_followed_alone(norm):
    for seed in range(10):
        model = random_net(seed)
        levels = image_of(model, seed)
        cases = other_class(int(class_of(model, levels[None])[0]), CLASSES)
        given = property_near(levels.ravel().astype("float64"), norm, RADII[norm], 255, cases)
        net = AttackedNet(model, norm, whole=True).net
        together = hints(net, given, given.low, given.high)
        paths = together.reshape(STEPS, len(cases), -1)
        for case in cases:
            alone = hints(net, replace(given, cases=(case,)), given.low, given.high)
            assert (paths == alone[:, None]).all(axis=(0, 2)).any()
