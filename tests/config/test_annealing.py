"""Annealed keys: found, and read at both ends."""

from brnn.config.annealing import annealed_keys, option_at

SLOPE = {"schedule": "linear", "from": 1, "to": 4.0}


def test_a_mapping_with_a_schedule_is_annealed_and_another_is_a_value():
    option = {"name": "tanh", "slope": SLOPE, "other": {"a": 1}, "bound": 2.0}
    assert annealed_keys(option) == {"slope": SLOPE}
    assert option_at(option, "from") == option | {"slope": 1.0}
    assert option_at(option, "to") == option | {"slope": 4.0}
