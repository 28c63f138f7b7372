"""The user's environment: settings of Keras, and the variables of MLflow that name a store."""

import json

import pytest
from omegaconf import OmegaConf

from brnn.config import environment, groups
from brnn.errors import ConfigError


@pytest.fixture
def keras_json(tmp_path, monkeypatch):
    """A function that writes the settings of Keras, beside those that Keras writes itself."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def write(**settings):
        (tmp_path / "keras.json").write_text(json.dumps(environment.KERAS | settings))
        return tmp_path / "keras.json"

    return write


def test_the_settings_that_keras_writes_itself_are_valid(keras_json):
    environment.check_keras()  # no file yet
    keras_json().write_text("{")  # Keras passes over it
    environment.check_keras()
    keras_json(nnx_enabled=False)
    environment.check_keras()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backend", "jax"),
        ("floatx", "float16"),
        ("floatx", "float64"),
        ("image_data_format", "channels_first"),
        ("epsilon", 1e-3),
    ],
)
def test_a_setting_of_keras_that_changes_numbers_is_refused(keras_json, key, value):
    file = keras_json(**{key: value})
    message = f"^{key}={value} in {file} must be {environment.KERAS[key]} for brnn; "
    with pytest.raises(ConfigError, match=message):
        environment.check_keras()


def test_the_variable_of_the_backend_precedes_the_file(keras_json, monkeypatch):
    keras_json(backend="jax")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    environment.check_keras()
    keras_json()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ConfigError, match=r"^KERAS_BACKEND=torch must be tensorflow for brnn; "):
        environment.check_keras()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("sqlite:///mlflow.db", "brnn")),
        (
            {"MLFLOW_TRACKING_URI": "", "MLFLOW_EXPERIMENT_NAME": ""},
            ("sqlite:///mlflow.db", "brnn"),
        ),
        ({"MLFLOW_TRACKING_URI": "http://tracker:5000"}, ("http://tracker:5000", "brnn")),
        ({"MLFLOW_EXPERIMENT_NAME": "a, b"}, ("sqlite:///mlflow.db", "a, b")),
    ],
)
def test_the_store_is_that_of_mlflow_s_variables(monkeypatch, composed, variables, expected):
    for name in environment.STORE:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    keys = dict(zip(("uri", "experiment"), expected, strict=True))
    assert environment.tracking_keys() == keys
    environment.drop_empty_variables()
    assert composed()["tracking"] == keys
    given = composed("tracking.uri=sqlite:///given.db", "tracking.experiment=mine")
    assert given["tracking"] == {"uri": "sqlite:///given.db", "experiment": "mine"}


def test_an_interpolation_is_resolved_as_hydra_does(monkeypatch):
    keys = groups.option("", "config")["tracking"]
    for value in ("http://user:a@b,c@tracker", "x y"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", value)
        assert environment.tracking_keys() == OmegaConf.to_container(
            OmegaConf.create(keys), resolve=True
        )
    assert environment.resolved(3, {}) == 3
    assert environment.resolved("plain", {}) == "plain"


def test_variables_without_effect_are_named(monkeypatch):
    for name in environment.UNUSED:
        monkeypatch.delenv(name, raising=False)
    assert environment.unused_variables() == []
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    (line,) = environment.unused_variables()
    assert line.startswith("MLFLOW_RUN_ID is not used: ")
