"""Nets of runs: shared where their shape is the same, with weights of their own."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.attacks import batches
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.robustness.nets import Net, RunNets
from tests.support.evaluating import attack_option


def test_queries_are_counted(real, digits):
    net = Net(real)
    attack = groups.function("attack", attack_option("bim", iterations=7), [])
    perturbed(attack, net, digits.test[0][:30], digits.test[1][:30], 0)
    assert int(net.queries) == 7 * 30


def test_nets_of_the_same_shape_in_use_at_once_have_separate_weights(binarized):
    weights = [np.full_like(values, 0.5) for values in binarized.weights]
    other = RunNets(
        binarized.options, binarized.data, weights, binarized.load, binarized.on_progress
    )
    lent = [nets.through("trained") for nets in (binarized, other)]
    assert lent[0] is not lent[1]
    for net, expected in zip(lent, (binarized.weights, weights), strict=True):
        np.testing.assert_array_equal(net.model.get_weights()[0], expected[0])
    assert other.through("trained") is lent[1] is not other.through("trained", "abc")


def test_runs_of_the_same_shape_share_their_nets_and_programs_one_after_the_other(binarized):
    def nets_of(value):
        weights = [np.full_like(values, value) for values in binarized.weights]
        return RunNets(
            binarized.options, binarized.data, weights, binarized.load, binarized.on_progress
        )

    first = nets_of(0.25)
    net = first.through("trained")
    del first
    second = nets_of(0.5)
    assert second.through("trained") is net
    np.testing.assert_array_equal(net.model.get_weights()[0], 0.5)
    options = [attack_option("fgsm", epsilon=epsilon) for epsilon in (0.1, 0.1, 0.2)]
    attacks = [groups.function("attack", option, []) for option in options]
    x, labels = np.zeros((1, 28, 28), "float32"), np.zeros(1, "int32")
    traced = [batches.compiled(attack, net, x, labels) for attack in attacks]
    assert traced[0] is traced[1] is not traced[2]


@pytest.mark.parametrize(
    ("keys", "same"),
    [([], True), (["estimator=ste"], False), (["precision=full"], False)],
)
def test_the_identity_estimator_is_one_net_with_the_backward_pass_of_training(
    options, digits, keys, same
):
    configuration = options("topology=simple", *keys)
    model = models.untrained_model(configuration, task_of(digits), "trained")
    nets = RunNets(configuration, digits, model.get_weights(), {}.get, lambda *_: None)
    assert (nets.through("identity") is nets.through("trained")) is same


def test_a_surrogate_of_other_inputs_is_refused(digits, binarized):
    wide = replace(digits, train=(np.zeros((4, 32, 32), "float32"), digits.train[1][:4]))
    surrogate = RunNets(binarized.options, wide, [], binarized.load, binarized.on_progress)
    with pytest.raises(ConfigError, match=r"attack.source=abc does not fit inputs of \(32, 32\)"):
        surrogate.through("trained", "abc")
