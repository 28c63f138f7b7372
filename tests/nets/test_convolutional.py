"""Convolutional nets: sizes, the fan-in of each activation, what is padded, pooled and real."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from brnn.config.groups import arguments
from brnn.errors import ConfigError
from brnn.nets import convolutional, models
from brnn.nets.task import Task, task_of
from brnn.quantization.layers import QuantActivation
from brnn.training import build
from brnn.training.loop import score

KEYS = {
    "filters": [4, 6],
    "kernels": [3, 2],
    "pools": [2, 1],
    "dense": [5],
    "padding": "valid",
    "pool_first": True,
    "activation": "tanh",
    "batch_normalization": False,
    "dropout": 0.0,
    "real_first": False,
    "real_last": False,
}
RESIDUAL = {
    "width": 4,
    "stages": 2,
    "blocks": 1,
    "groups": 1,
    "padding": "zero",
    "activation": "tanh",
    "rsign": False,
    "rprelu": False,
    "real_last": True,
}


def build_net(name="convolutional", shape=(8, 8), **keys):
    """The model, and the fan-in of each hidden activation."""
    fan_ins = []

    def activate(name, fan_in):
        fan_ins.append(fan_in)
        return keras.layers.Activation(name)

    defaults = {"convolutional": KEYS, "residual": RESIDUAL}[name]
    return getattr(convolutional, name)(Task(shape, 3), activate, **defaults | keys), fan_ins


def shapes(model):
    kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.Dense)
    return [tuple(layer.output.shape[1:]) for layer in model.layers if isinstance(layer, kinds)]


def test_blocks_are_convolution_pooling_and_activation_then_dense_layers():
    model, fan_ins = build_net()
    assert shapes(model) == [(6, 6, 4), (3, 3, 4), (2, 2, 6), (5,), (3,)]
    assert fan_ins == [9 * 1, 4 * 4, 2 * 2 * 6]


def test_padding_keeps_the_size_of_maps():
    model, fan_ins = build_net(shape=(8, 8, 2), padding="one")
    assert shapes(model) == [(8, 8, 4), (4, 4, 4), (4, 4, 6), (5,), (3,)]
    assert fan_ins == [9 * 2, 4 * 4, 4 * 4 * 6]


@pytest.mark.parametrize(("padding", "corner", "edge"), [("zero", 4, 6), ("one", 9, 9)])
def test_maps_are_padded_with_the_value_of_the_key(padding, corner, edge):
    """A kernel of ones sums a window of 9 pixels, each 1; at a corner 4 of them lie inside."""
    keys = {"filters": [1], "kernels": [3], "pools": [1], "dense": []}
    model, _ = build_net(shape=(5, 5), padding=padding, **keys)
    layer = model.get_layer("convolution_0")
    layer.set_weights([np.ones((3, 3, 1, 1)), np.zeros(1)])
    sums = keras.Model(model.inputs[0], layer.output)(np.ones((1, 5, 5), "float32"))
    outer, inner = [corner, edge, edge, edge, corner], [edge, 9, 9, 9, edge]
    assert np.asarray(sums)[0, :, :, 0].tolist() == [outer, inner, inner, inner, outer]


@pytest.mark.parametrize("pool_first", [True, False])
def test_the_maximum_is_of_sums_or_of_activations(pool_first):
    model, _ = build_net(pool_first=pool_first)
    kinds = [type(layer).__name__ for layer in model.layers]
    order = ["Conv2D", "MaxPooling2D", "Activation"]
    assert kinds[2:5] == order if pool_first else kinds[2:5] == [order[0], order[2], order[1]]


def test_everything_is_normalized_if_wanted_and_real_layers_are_named_so():
    model, _ = build_net(batch_normalization=True, real_first=True, real_last=True)
    names = [layer.name for layer in model.layers if layer.weights]
    assert names == [
        *("real_first", "normalization_0", "convolution_1", "normalization_1"),
        *("hidden_0", "dense_0", "real_logits", "normalization_logits"),
    ]


@pytest.mark.parametrize(
    ("preset", "shape", "parameters"),
    [
        ("lenet", (28, 28), 26 * 32 + 801 * 64 + 3137 * 512 + 513 * 10),
        ("traffic30", (30, 30, 3), 28 * 16 + 65 * 32 + (27 * 27 * 32 + 1) * 10),
        (
            "cnv",
            (32, 32, 3),
            28 * 64 + 577 * (64 + 128) + 1153 * (128 + 256) + 2305 * 256 + 257 * 512 + 513 * 522,
        ),
    ],
)
def test_presets_are_the_nets_of_their_papers(options, preset, shape, parameters):
    keys = options(f"topology={preset}", "recipe=original", "dataset=cifar10")["topology"]
    assert (keys["name"], keys["preset"]) == ("convolutional", preset)
    model = convolutional.convolutional(
        Task(shape, 10), lambda name, fan_in: keras.layers.Activation(name), **arguments(keys)
    )
    assert model.count_params() == parameters


def test_a_residual_net_halves_maps_and_doubles_channels():
    model, fan_ins = build_net("residual", shape=(7, 7, 3))
    assert fan_ins == [36, 36, 36, 72]
    assert model.get_layer("real_shortcut_1_0").output.shape[1:] == (4, 4, 8)
    assert model.get_layer("convolution_1_0").output.shape[1:] == (4, 4, 8)
    assert model.get_layer("convolution_0_1").output.shape[1:] == (7, 7, 4)


def test_a_shortcut_goes_around_each_convolution():
    """Without weights in its convolutions a stage returns what enters it."""
    model, _ = build_net("residual", shape=(6, 6, 1), stages=1, blocks=2)
    for layer in model.layers:
        if layer.name.startswith("convolution"):
            layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    x = np.random.default_rng(0).random((2, 6, 6, 1)).astype("float32")
    first, last = (model.get_layer(name).output for name in ("normalization_first", "sum_0_3"))
    before, after = keras.Model(model.inputs[0], [first, last])(x)
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_groups_keep_channels_apart_and_divide_the_fan_in():
    model, fan_ins = build_net("residual", shape=(7, 7, 3), groups=2)
    assert fan_ins == [18, 18, 18, 36]
    assert model.get_layer("convolution_1_1").kernel.shape == (3, 3, 4, 8)


def test_rsign_shifts_what_enters_an_activation():
    model, _ = build_net("residual", shape=(6, 6, 1), stages=1, rsign=True)
    shift = model.get_layer("real_before_sign_0_1")
    assert [v.path for v in shift.trainable_variables] == ["real_before_sign_0_1/bias"]
    shift.bias.assign([1, 0, -2, 0.5])
    entered = keras.Model(model.inputs[0], [shift.input, shift.output])
    before, after = entered(np.ones((1, 6, 6, 1), "float32"))
    shifts = np.broadcast_to([1, 0, -2, 0.5], (1, 6, 6, 4))
    np.testing.assert_allclose(after - before, shifts, atol=1e-6)


def test_rprelu_is_its_formula():
    """The layer before the PReLU adds -g."""
    model, _ = build_net("residual", shape=(6, 6, 1), stages=1, rprelu=True)
    g, b, z = np.float32([[0.3, -0.2, 0, 1], [0.5, 0.25, -1, 2], [0, 1, 2, 3]])
    model.get_layer("real_before_prelu_0_0").bias.assign(-g)
    model.get_layer("real_prelu_0_0").alpha.assign(b[None, None])
    model.get_layer("real_after_prelu_0_0").bias.assign(z)
    ends = [model.get_layer("sum_0_0").output, model.get_layer("real_after_prelu_0_0").output]
    x = np.random.default_rng(0).random((2, 6, 6, 1)).astype("float32")
    x, y = map(np.asarray, keras.Model(model.inputs[0], ends)(x))
    np.testing.assert_allclose(y, np.where(x > g, x - g, b * (x - g)) + z, rtol=1e-5, atol=1e-6)
    assert (x > g).any()
    assert (x < g).any()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"shape": (5,)}, r"images of shape \(height, width\) or .* got \(5,\)"),
        (
            {"shape": (2, 2)},
            r"too small for the topology: topology.kernels\[0\]=3 on maps of 2 by 2",
        ),
        ({"shape": (3, 3)}, r"too small for the topology: topology.pools\[0\]=2 on maps of 1 by 1"),
        ({"kernels": [3]}, "one value for each block, got 2, 1 and 2"),
        ({"name": "residual", "shape": (1, 1)}, r"topology\.stages=2 on maps of 1 by 1"),
        ({"name": "residual", "groups": 3}, "width must be a multiple of .*groups=3, got 4"),
    ],
)
def test_images_that_do_not_fit_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        build_net(**keys)


# In training


def tiny(options, *overrides):
    small = ("topology.filters=[4,6]", "topology.dense=[]", "batch_size=10")
    return options("topology=lenet", "dataset=arrays", *small, *overrides)


@pytest.mark.parametrize("padding", ["valid", "zero", "one"])
def test_the_exported_net_computes_what_the_trained_one_does(options, digits, padding, tmp_path):
    keys = tiny(options, "estimator=ste", f"topology.padding={padding}", "topology.kernels=[3,3]")
    program = build.program(keys, task_of(digits))
    assert not program.compiled
    plain = models.plain_model(keys, task_of(digits), program.manager.weights())
    plain.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", safe_mode=True)
    x = digits.test[0][:50] / np.float32(255)
    np.testing.assert_allclose(loaded(x), program.manager(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(layer, QuantActivation) for layer in loaded.layers)


def test_a_net_with_groups_and_learned_shifts_is_trained_and_exported(options, digits, tmp_path):
    keys = options(
        *("topology=resnet20", "topology.width=4", "topology.stages=2", "topology.blocks=1"),
        *("topology.groups=2", "topology.rsign=true", "topology.rprelu=true", "batch_size=10"),
        *("estimator=approx_sign", "epochs=1"),
    )
    rows = replace(digits, train=tuple(a[:40] for a in digits.train))
    held_out = (tuple(a[:20] for a in split) for split in (digits.validation, digits.test))
    rows = replace(rows, **dict(zip(("validation", "test"), held_out, strict=True)))
    program = build.program(keys, task_of(rows))
    shifts = [v for v in program.manager.model.trainable_variables if "real_before" in v.path]
    assert len(shifts) == 8
    list(build.epochs(program, keys, rows))
    assert all(np.asarray(shift).any() for shift in shifts[:-1])
    plain = models.plain_model(keys, task_of(rows), program.manager.weights())
    plain.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", safe_mode=True)
    x = rows.test[0] / np.float32(255)
    np.testing.assert_allclose(loaded(x), program.manager(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_small_net_learns_the_digits(options, digits):
    keys = tiny(options, "estimator=ste", "epochs=1", "topology.filters=[16,32]", "batch_size=32")
    few = replace(digits, train=tuple(a[:3000] for a in digits.train))
    few = replace(few, validation=tuple(a[:0] for a in few.test), test=digits.validation)
    program = build.program(keys, task_of(digits))
    list(build.epochs(program, keys, few))
    assert score(program, *few.test, 32)["accuracy"] > 0.8
