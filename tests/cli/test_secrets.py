"""Passwords on the command line are nowhere in the configuration."""

import os

import pytest
import yaml

from brnn.cli import secrets

REFERENCE = "${oc.env:MLFLOW_TRACKING_URI}"


@pytest.mark.parametrize(
    ("word", "moved", "uri"),
    [
        ("tracking.uri='http://me:pw@host'", f"tracking.uri={REFERENCE}", "http://me:pw@host"),
        ("++tracking.uri=http://me:pw@host", f"++tracking.uri={REFERENCE}", "http://me:pw@host"),
        (
            'tracking.uri="postgresql://host/db?password=pw"',
            f"tracking.uri={REFERENCE}",
            "postgresql://host/db?password=pw",
        ),
        ("tracking.uri=http://host:5000", "tracking.uri=http://host:5000", "before"),
        ("dataset.path='http://me:pw@host'", "dataset.path='http://me:pw@host'", "before"),
        (
            "tracking.uri='http://a:pw@h','http://b'",
            "tracking.uri='http://a:pw@h','http://b'",
            "before",
        ),
    ],
)
def test_the_uri_of_a_store_is_moved_to_the_environment(monkeypatch, word, moved, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "before")
    assert secrets.moved(["seed=1", word]) == ["seed=1", moved]
    assert os.environ["MLFLOW_TRACKING_URI"] == uri


def test_the_printed_configuration_has_no_password(light):
    words = ("--cfg", "job", "--package", "tracking")
    done = light("tracking.uri='http://me:s3cret@host'", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert yaml.safe_load(done.stdout)["uri"] == REFERENCE
    done = light(*words, MLFLOW_TRACKING_URI="http://me:s3cret@host")
    assert "s3cret" not in done.stdout


def test_an_error_has_no_password(light, error_of):
    assert "me:***@host" in error_of(light("tracking.uri=http://me:s3cret@host)", "epochs=-1"))
