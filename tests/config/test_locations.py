"""Places of a configuration: the home folder, no folder of the name `~`, no password."""

import pytest

from brnn import paths
from brnn.config.locations import expand_home


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("~/x", "/home/me/x"),
        ("~", "/home/me"),
        ("sqlite:///~/x.db", "sqlite:////home/me/x.db"),
        ("file:~/runs", "file:/home/me/runs"),
        ("file:///~/runs", "file:////home/me/runs"),
        ("a/~/x", "a/~/x"),
        ("x~", "x~"),
        ("~nobody-of-that-name/x", "~nobody-of-that-name/x"),
        ("https://server/~me", "https://server/~me"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("", ""),
    ],
)
def test_the_home_folder_stands_at_the_beginning(monkeypatch, location, expected):
    monkeypatch.setenv("HOME", "/home/me")
    assert paths.expanded(location) == expected


def test_the_store_and_the_checkpoints_of_a_configuration_are_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    given = {"checkpoints": "~/ck", "tracking": {"uri": "sqlite:///~/m.db", "experiment": "~"}}
    assert expand_home(given | {"seed": 0}) == {
        "seed": 0,
        "checkpoints": "/home/me/ck",
        "tracking": {"uri": "sqlite:////home/me/m.db", "experiment": "~"},
    }


def test_values_of_other_types_are_left_to_the_check():
    given = {"checkpoints": 3, "tracking": {"uri": None}}
    assert expand_home(given) == given
    assert expand_home({"checkpoints": "x", "tracking": 1})["tracking"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:pw@host:5000/x", "http://me:***@host:5000/x"),
        ("failed ('http://me:p@w@host/a') at", "failed ('http://me:***@host/a') at"),
        ("postgresql+psycopg2://me:p/w@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("postgresql://host/db?password=pw&x=1", "postgresql://host/db?password=***&x=1"),
        ("http://a:b@c http://d:e@f", "http://a:***@c http://d:***@f"),
        ("http://me:***@host", "http://me:***@host"),
        ("http://host:5000/#/runs/1", "http://host:5000/#/runs/1"),
        ("http://me@host", "http://me@host"),
        ("sqlite:////a/b:c@d/x.db", "sqlite:////a/b:c@d/x.db"),
        ("owner host:123:456", "owner host:123:456"),
    ],
)
def test_passwords_of_uris_are_masked(text, expected):
    assert paths.masked(text) == expected
