"""Measures of text, worked out by hand."""

import numpy as np
import pytest

from brnn.measures.text import per_character


def test_nats_per_character_become_bits_and_perplexity():
    measures = per_character({"train/loss": np.log(8), "test/accuracy": 0.5})
    assert measures == pytest.approx({"train/bits_per_character": 3, "train/perplexity": 8})
