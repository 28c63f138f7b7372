"""The files of conf/: each option is one function of the same name and keys."""

import ast
import importlib
import inspect
import re
from functools import cache, partial
from pathlib import Path

import pytest
import yaml

from brnn import paths
from brnn.config import groups, values
from brnn.config.annealing import option_at
from brnn.config.signatures import parameters
from brnn.training.optimizers import optimizer

CONF = paths.conf()
GROUPS = {path.name for path in CONF.iterdir() if path.is_dir()} - {"experiment", "hydra"}
OPTIONS = sorted(
    (path.parent.name, path.stem)
    for path in CONF.glob("*/*.yaml")
    if path.parent.name in groups.GROUPS
)
STUDY_TITLE = re.compile(r"# [A-Z][a-z]+  ")  # "# Found      ..."
OPTIMIZERS = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))
ALL_GROUPS = groups.GROUPS | groups.LISTED
MODULES = sorted({module for modules in ALL_GROUPS.values() for module in modules})
CONFIGURED = sorted({*groups.SHARED.values(), *groups.SECTIONS.values()})


def functions(module):
    """The public functions that a module defines."""
    members = vars(importlib.import_module(module)).items()
    return {
        name: f
        for name, f in members
        if inspect.isfunction(f) and f.__module__ == module and name[0] != "_"
    }


def keyword_only(function):
    return {
        p.name: p
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


@pytest.fixture(scope="module")
def whole(composed):
    """A function from an option to the configuration that has it, composed once."""
    return cache(lambda group, name: composed(f"{group}={name}"))


def test_every_group_is_checked():
    checked = {*groups.GROUPS, *groups.LISTED, "optimizer", "recipe"}
    assert checked - {"bias_initializer"} == GROUPS  # that one takes the options of initializer


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_an_option_is_the_function_of_its_name_and_keys(whole, group, name):
    option = whole(group, name)[group]
    assert groups.label(option) == name
    module, called = groups.locate(group, option["name"], [])
    function = functions(module)[called]
    own = {*keyword_only(function)}
    shared = {*parameters(*groups.SHARED[group])} if group in groups.SHARED else set()
    assert option.keys() - {"preset"} == {"name", *own, *shared}
    assert not own & shared
    assert {*parameters(function.__module__, called)} == own


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_the_values_of_an_option_are_what_its_function_takes(whole, group, name):
    option = whole(group, name)[group]
    built = groups.function(group, option, [])
    assert isinstance(built, partial)
    for key, annotation in parameters(built.func.__module__, built.func.__name__).items():
        for end in ("from", "to"):
            assert values.fits(option_at(option, end)[key], annotation), key


@pytest.mark.parametrize("name", groups.names("format"))
def test_a_listed_option_is_the_function_of_its_name_and_keys(name):
    option = groups.option("format", name)
    module, called = groups.locate("format", option["name"], [])
    assert groups.label(option) == called == name
    assert groups.arguments(option).keys() == parameters(module, called).keys()


@pytest.mark.parametrize("group", ALL_GROUPS)
def test_every_function_of_a_group_is_an_option(group):
    folder = "initializer" if group == "bias_initializer" else group
    names = {name for module in ALL_GROUPS[group] for name in functions(module)}
    presets = {
        path.stem for path in (CONF / folder).glob("*.yaml") if "\npreset: " in path.read_text()
    }
    assert names == {path.stem for path in (CONF / folder).glob("*.yaml")} - presets


PRESETS = [path for path in CONF.glob("*/*.yaml") if "\npreset: " in path.read_text()]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_holds_defaults_and_values_and_its_own_name(path):
    option = yaml.safe_load(path.read_text())
    assert option["preset"] == path.stem
    assert "name" not in option
    assert option["defaults"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_keys_of_its_file(composed, name):
    keys = composed(f"optimizer={name}")["optimizer"]
    built = optimizer(keys, [], [])
    assert type(built).__name__.lower() == keys["name"].lower() == name
    config = built.get_config()
    of_every = parameters("brnn.config.schema", "Optimizer")
    assert of_every.keys() <= keys.keys()
    own = {key: v for key, v in keys.items() if key not in of_every}
    assert {key: config[key] for key in own} == own


@pytest.mark.parametrize("module", MODULES)
def test_no_configured_function_has_a_default_of_its_own(module):
    for function in functions(module).values():
        parameters = inspect.signature(function).parameters.values()
        assert all(p.default is p.empty for p in parameters)
        assert not [p for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        assert all(p.annotation is not p.empty for p in keyword_only(function).values())


@pytest.mark.parametrize(("module", "name"), CONFIGURED)
def test_no_configuration_key_of_the_rest_has_a_default_either(module, name):
    parsed = next(
        node for node in ast.parse(_source(module)).body if getattr(node, "name", None) == name
    )
    if isinstance(parsed, ast.ClassDef):
        assert not [n for n in parsed.body if isinstance(n, ast.AnnAssign) and n.value]
    else:
        assert parsed.args.kw_defaults == [None] * len(parsed.args.kwonlyargs)


def _source(module):
    return Path(importlib.util.find_spec(module).origin).read_text()


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_file_names_a_target_or_a_key_twice(path):
    text = path.read_text()
    assert "_target_" not in text
    keys = re.findall(r"^(\w[\w@/]*):", text, re.MULTILINE)
    assert len(keys) == len(set(keys))


def test_the_root_and_its_sections_have_the_keys_of_their_functions(composed):
    whole = composed()
    sections = {*groups.GROUPS, *groups.SECTIONS, "optimizer", "experiment"}
    assert {key for key in whole if key not in sections} == {
        *parameters("brnn.config.schema", "Root")
    }
    assert whole["tracking"].keys() == {*parameters("brnn.tracking.store", "open_store")}


@pytest.mark.parametrize("file", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda f: f.stem)
def test_a_study_states_question_command_expectation_and_finding(file):
    titles = [line.split()[1] for line in file.read_text().splitlines() if STUDY_TITLE.match(line)]
    assert titles == ["Question", "Command", "Expect", "Found"]
