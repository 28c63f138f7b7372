"""The check of an exported net: sizes, shares and differences by hand; a wrong file is an error."""

from dataclasses import replace

import numpy as np
import pytest
from support.exported_nets import evaluation, images, model_of

from brnn.errors import ExportError
from brnn.exchange.check import measures, reference
from brnn.exchange.levels import levels
from brnn.exchange.reading import read

X = images(1200)


@pytest.fixture(scope="module")
def checked():
    model = model_of()
    net = read(model, pixels=True)
    return net, levels(net), reference(evaluation(model), net, X)


def test_measures_of_an_exact_file(checked):
    net, exported, expected = checked
    metrics = measures("levels", exported, net, expected, 0.0)
    weights = 30 * 40 + 40 * 32 + 32 * 32 + 32 * 4
    assert metrics["export/levels/bytes"] == len(exported.content)
    assert metrics["export/levels/bits_per_weight"] == 8 * len(exported.content) / weights
    assert metrics["export/levels/logit_difference"] == 0
    assert metrics["export/levels/images_per_second"] > 0
    assert metrics["export/levels/images_per_second_in_batches"] > 0
    assert metrics["export/undecided"] == expected.undecided.mean() < 0.05


def test_classes_that_differ_are_an_error_beyond_the_tolerance(checked):
    net, exported, expected = checked
    decided = np.flatnonzero(~expected.undecided)[:12]

    def wrong(x):
        logits = expected.logits.copy()
        logits[decided, logits[decided].argmin(axis=1)] += 1000
        return logits

    damaged = replace(exported, runtimes=exported.runtimes | {"damage": wrong})
    with pytest.raises(
        ExportError, match="format=levels by damage: 12 of 1,200 test inputs have another"
    ):
        measures("levels", damaged, net, expected, 0.0099)
    metrics = measures("levels", damaged, net, expected, 0.01)
    assert metrics["export/levels/other_classes"] == 12
    assert metrics["export/levels/logit_difference"] == pytest.approx(1000, rel=1e-3)


def test_an_off_by_one_threshold_is_noticed(checked):
    net, _, expected = checked
    first = net.layers[1]
    layers = (net.layers[0], replace(first, threshold=first.threshold + 2), *net.layers[2:])
    with pytest.raises(ExportError):
        measures("levels", levels(replace(net, layers=layers)), net, expected, 0.0)


def test_sums_at_a_threshold_are_undecided_and_no_others():
    model = model_of(batch_normalization=False, depth=1)
    kernel, bias = (weight.astype(int) for weight in model.get_layer("hidden_0").get_weights())
    net = read(model, pixels=True)
    flat = X.reshape(len(X), -1).astype(int)
    at_threshold = (flat @ kernel + 255 * bias == 0).any(axis=1)
    assert at_threshold.any()
    assert np.array_equal(reference(evaluation(model), net, X).undecided, at_threshold)
