"""A configuration against its data."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.config.check_data import check_data
from brnn.data.dataset import Data
from brnn.errors import ConfigError


@pytest.fixture
def text():
    """Ten sequences of the characters a and b."""
    rows = (np.zeros((10, 4), "int32"), np.zeros((10, 4), "int32"))
    return Data(rows, rows, rows, 2, "text", tokens="ab")


def options(**keys):
    given = {"batch_size": 10, "sample": {"prompt": "abba"}, "objective": "validation/loss"}
    return given | keys


def test_data_that_serve_a_configuration_pass(text):
    check_data(options(), text)


def test_a_batch_has_at_most_the_training_rows(text):
    with pytest.raises(
        ConfigError, match="batch_size must be at most 10, the training rows, got 11"
    ):
        check_data(options(batch_size=11), text)


def test_a_prompt_has_the_characters_of_the_text(text):
    with pytest.raises(ConfigError, match=r"sample\.prompt must be of .* 'ab', got 'c'"):
        check_data(options(sample={"prompt": "abc"}), text)


def test_an_objective_of_validation_needs_rows_for_it(text):
    without = replace(text, validation=(text.validation[0][:0], text.validation[1][:0]))
    with pytest.raises(ConfigError, match="objective=validation/loss needs validation data"):
        check_data(options(), without)
    check_data(options(objective="test/loss"), without)
