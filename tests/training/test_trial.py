"""The trial of forms: kept in the cache, and only exact forms count."""

import pytest
import tensorflow as tf

from brnn.training import trial
from brnn.training.products import FORMS, Form
from brnn.training.trial import FLOAT32, Forms


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trial.seconds.cache_clear()
    yield
    trial.seconds.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_the_trial_is_made_once_and_kept(monkeypatch):
    first = trial.seconds()
    assert set(first[1]) == {"float32", "bfloat16"}
    trial.seconds.cache_clear()
    monkeypatch.setattr(trial, "_measured", lambda *arguments: pytest.fail("measured again"))
    assert trial.seconds() == first


@pytest.mark.usefixtures("fresh")
def test_a_form_without_exact_sums_is_left_out(monkeypatch):
    form = FORMS["float32"]
    off = Form(form.encode, lambda x, w, signs: tf.matmul(x, w) + 1, form.multiply_pixels)
    monkeypatch.setitem(FORMS, "off", off)
    assert "off" not in trial.seconds()[0]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ("float32", FLOAT32),
        ("bfloat16", Forms("int8", "bfloat16")),
        ("auto", Forms("int8", "float32")),
    ],
)
def test_auto_takes_what_is_faster(monkeypatch, compute, expected):
    evaluation = {"float32": 1.0, "bfloat16": 0.9, "int8": 0.3}
    gradient = {"float32": 1.0, "bfloat16": 0.9}  # a gain that is not worth the rounding
    monkeypatch.setattr(trial, "seconds", lambda: (evaluation, gradient))
    assert trial.forms(compute) == expected
