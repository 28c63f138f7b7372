"""Groups: options as their files give them, and nested keys."""

import yaml

from brnn import paths
from brnn.config import groups


def test_flat_joins_nested_keys_by_dots():
    assert groups.flat({"a": 1, "b": {"c": [2], "d": {"e": None}}}) == {
        "a": 1,
        "b.c": [2],
        "b.d.e": None,
    }


def test_an_option_is_read_as_its_file_gives_it():
    assert groups.option("estimator", "ste") == yaml.safe_load(
        (paths.conf() / "estimator" / "ste.yaml").read_text()
    )
