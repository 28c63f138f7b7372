"""The help page: complete, since it is generated, and readable on a terminal of 100 columns."""

import re

import yaml

from brnn import paths
from brnn.cli import help_page
from brnn.cli.commands import COMMANDS
from brnn.config import groups
from brnn.config.signatures import parameters


def test_every_group_and_option_is_listed_with_its_default():
    text = help_page.text()
    for folder in (path for path in paths.conf().rglob("*") if any(path.glob("*.yaml"))):
        group = str(folder.relative_to(paths.conf()))
        (row,) = re.findall(rf"^  {group} .*(?:\n    .*)*", text, re.MULTILINE)
        assert {path.stem for path in folder.glob("*.yaml")} <= set(re.findall(r"\w+", row))
    row = re.search(r"^  estimator .*(?:\n    .*)*", text, re.MULTILINE)[0]
    assert ": identity (default), approx_sign, " in " ".join(row.split())


def test_every_key_of_the_root_is_listed_with_its_default_and_its_meaning():
    text = help_page.text()
    for key in (*parameters("brnn.config.schema", "Root"), "tracking.uri", "sample.prompt"):
        assert re.search(rf"^  {re.escape(key)}=\S.*  \S", text, re.MULTILINE), key
    assert "  epochs=5 " in text
    assert "  sample.prompt='' " in text


def test_the_page_has_commands_flags_examples_and_at_most_100_columns(light):
    done = light("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_page.text() + "\n"
    assert max(map(len, done.stdout.splitlines())) <= 100
    for command in COMMANDS:
        assert f"\n  brnn {command} " in done.stdout
    for flag in ("--multirun", "--cfg", "--version", "--hydra-help", "BRNN_TRACEBACK", "BRNN_DATA"):
        assert f"\n  {flag}" in done.stdout
    assert "python -m" not in done.stdout


def test_the_examples_are_valid(composed):
    for example in help_page.EXAMPLES:
        name, *words = example.split()
        assert name == "brnn"
        overrides = [re.sub(r"=(\w+),.*|=range.*", r"=\1", word) for word in words if "=" in word]
        composed(*[word if not word.endswith("=") else f"{word}0" for word in overrides])


def test_hydra_explains_its_own_flags(light):
    done = light("--hydra-help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Hydra" in done.stdout


def test_a_table_folds_a_long_meaning_below_itself():
    table = help_page.table({"key": "a word " * 20, "longer": "b"})
    assert table.splitlines()[0].startswith("  key     a word a word")
    assert table.splitlines()[1].startswith("          a word")
    assert table.splitlines()[-1] == "  longer  b"


def test_comments_are_read_from_the_configuration():
    config = yaml.safe_load((paths.conf() / "config.yaml").read_text())
    assert help_page.comments().keys() == parameters("brnn.config.schema", "Root").keys()
    for section in ("tracking", "sample"):
        assert help_page.comments(section).keys() == config[section].keys()
    assert groups.option("", "config").keys() >= help_page.comments().keys()
