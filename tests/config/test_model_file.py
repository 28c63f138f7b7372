"""Files of Keras models: their architecture without Keras, and nothing but Keras' own layers."""

import json
import subprocess
import sys

import keras
import pytest

from brnn.config.check import check
from brnn.config.model_file import architecture, input_shape, reads, with_architecture
from brnn.errors import ConfigError


def sequential():
    return keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])


def functional():
    inputs = keras.Input((6, 6, 3))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))


@pytest.fixture
def files(tmp_path):
    """A function that writes a model in both forms."""

    def write(model):
        model.save(tmp_path / "net.keras")
        (tmp_path / "net.json").write_text(model.to_json())
        return [str(tmp_path / "net.keras"), str(tmp_path / "net.json")]

    return write


@pytest.mark.parametrize("model", [sequential, functional])
def test_both_forms_state_one_architecture(files, model):
    made = model()
    made.compile("adam", "mse")
    for path in files(made):
        net = architecture(path)
        assert input_shape(net) == (6, 6, 3)
        again = keras.models.model_from_json(net)
        assert [type(layer) for layer in again.layers] == [type(layer) for layer in made.layers]
        assert not again.compiled


def test_keras_is_not_imported(files):
    path, _ = files(functional())
    script = (
        "import sys; from brnn.config.model_file import architecture, input_shape;"
        f"print(input_shape(architecture({path!r})), 'keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(6, 6, 3) False\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.h5", b"x", r"must name a \.keras or \.json file of a net, got .*net\.h5$"),
        ("none.keras", None, r"none\.keras, which is not a file$"),
        ("net.keras", b"no zip", "is not the file of a sequential or functional Keras model"),
        ("net.json", b"{", "is not the file of a sequential or functional Keras model"),
        ("net.json", b"[]", "is not the file of a sequential or functional Keras model"),
        ("net.json", b'{"config": {}}', "is not the file of a sequential or functional"),
        ("net.json", b"\xff\xfe", "is not the file of a sequential or functional Keras model"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as refused:
        architecture(str(tmp_path / name))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "foreign",
    [
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"class_name": "__lambda__", "config": {"code": "x"}},
        {"module": None, "class_name": "Mine", "config": {}, "registered_name": "lab>Mine"},
    ],
)
def test_a_part_that_is_not_of_keras_is_refused(tmp_path, foreign):
    net = json.loads(functional().to_json())
    net["config"]["layers"][1]["config"]["kernel_initializer"] = foreign
    (tmp_path / "net.json").write_text(json.dumps(net))
    with pytest.raises(ConfigError, match=r"has a part of .*; only Keras' own layers are loaded"):
        architecture(str(tmp_path / "net.json"))


@pytest.mark.parametrize(
    ("inputs", "shape", "expected"),
    [
        ((28, 28), (28, 28), True),
        ((28, 28, 1), (28, 28), True),
        ((784,), (28, 28), True),
        ((3072,), (32, 32, 3), True),
        ((None, None, 3), (32, 32, 3), True),
        ((28, 28, 3), (28, 28), False),
        ((28, 28, 3), (28, 28, 1), False),
        ((32, 32, 1), (28, 28), False),
        ((783,), (28, 28), False),
    ],
)
def test_a_net_reads_its_shape_flat_data_and_an_axis_of_one_channel(inputs, shape, expected):
    assert reads(inputs, shape) is expected


def test_a_configuration_holds_the_net_of_its_file(composed, files):
    path, _ = files(functional())
    words = ("dataset=cifar10", "topology=keras")
    given = with_architecture(composed(*words, f"topology.path={path}"))
    assert given["topology"]["net"] == architecture(path)
    with pytest.raises(ConfigError, match=r"reads inputs of \(6, 6, 3\), .* have \(32, 32, 3\)$"):
        check(given)
    moved = given | {"topology": given["topology"] | {"path": None}}
    assert with_architecture(moved) == moved
    with pytest.raises(ConfigError, match=r"topology\.path must name .* of a net, got None"):
        with_architecture(composed(*words))
    other = composed("topology=mlp")
    assert with_architecture(other) == other


def test_one_channel_for_a_net_of_three_is_refused_with_the_configuration(composed, tmp_path):
    net = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten()])
    (tmp_path / "net.json").write_text(net.to_json())
    given = composed("dataset=mnist", "topology=keras", f"topology.path={tmp_path}/net.json")
    with pytest.raises(ConfigError, match=r"reads inputs of \(28, 28, 3\), .* have \(28, 28\)$"):
        check(with_architecture(given))
