"""The trial of forms: kept in the cache, the same for all processes, of exact forms alone."""

import json
from dataclasses import replace

import pytest
import tensorflow as tf

from brnn.training import trial
from brnn.training.products import FORMS
from brnn.training.trial import FLOAT32, Forms


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The folder of an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trial.seconds.cache_clear()
    yield tmp_path / "brnn"
    trial.seconds.cache_clear()


@pytest.fixture
def keep(cache):
    """A function that puts seconds in the cache, and returns them."""
    trial.seconds()
    (file,) = cache.iterdir()

    def write(evaluation: dict, gradient: dict, training: dict, convolution: dict) -> dict:
        times = dict(zip(trial.USES, (evaluation, gradient, training, convolution), strict=True))
        file.write_text(json.dumps(times))
        trial.seconds.cache_clear()
        return times

    return write


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_process_takes_the_kept_seconds_whatever_its_threads(monkeypatch, keep, threads):
    kept = keep(*({"float32": seconds} for seconds in (1.0, 2.0, 3.0, 4.0)))
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", threads)
    assert trial.seconds() == kept


def test_the_first_of_two_trials_at_once_counts(monkeypatch, cache, keep):
    kept = keep(*({"float32": seconds} for seconds in (1.0, 2.0, 3.0, 4.0)))
    (first,) = cache.iterdir()
    content = first.read_text()
    first.unlink()
    form = FORMS["float32"]

    def encode(x):  # while this process measures, another one writes its result
        first.write_text(content)
        return form.encode(x)

    monkeypatch.setitem(FORMS, "float32", replace(form, encode=encode))
    assert trial.seconds() == kept
    assert [file.read_text() for file in cache.iterdir()] == [content]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", '{"evaluation": 3}', json.dumps({use: {} for use in trial.USES})],
)
def test_a_damaged_file_is_measured_anew(cache, keep, content):
    keep({}, {}, {}, {})
    (file,) = cache.iterdir()
    file.write_text(content)
    measured = trial.seconds()
    trial.seconds.cache_clear()
    assert trial.seconds() == measured
    assert set(measured["gradient"]) == {"float32", "bfloat16"}
    assert set(measured["training"]) == {"float32", "xla_bfloat16"}


@pytest.mark.usefixtures("cache")
def test_a_form_with_other_sums_of_pixels_is_left_out(monkeypatch):
    form = FORMS["float32"]
    off = replace(form, multiply_pixels=lambda x, w, whole: form.multiply_pixels(x, w, whole) + 1)
    monkeypatch.setitem(FORMS, "off", off)
    assert "off" not in trial.seconds()["evaluation"]


@pytest.mark.usefixtures("cache")
def test_a_form_without_exact_sums_is_left_out(monkeypatch):
    form = FORMS["float32"]
    off = replace(form, multiply=lambda x, w, signs: tf.matmul(x, w) + 1)
    monkeypatch.setitem(FORMS, "off", off)
    assert "off" not in trial.seconds()["evaluation"]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ("float32", FLOAT32),
        ("bfloat16", Forms("int8", "bfloat16", "xla_bfloat16", "bfloat16")),
        ("auto", Forms("int8", "float32", "xla_bfloat16", "bfloat16")),
    ],
)
def test_auto_takes_what_is_faster(keep, compute, expected):
    evaluation = {"float32": 1.0, "bfloat16": 0.95, "int8": 0.3}
    gradient = {"float32": 1.0, "bfloat16": 0.95}  # a gain that is not worth the rounding
    training = {"float32": 1.0, "xla_bfloat16": 0.4}
    keep(evaluation, gradient, training, {"float32": 1.0, "bfloat16": 0.5})
    assert trial.forms(compute) == expected
