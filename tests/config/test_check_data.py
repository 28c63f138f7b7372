"""A configuration against its data."""

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
    return {"batch_size": 10, "sample": {"prompt": "abba"}} | keys


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
