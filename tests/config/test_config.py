"""The law: an option of `conf/` is a function of the same name and keys; errors have one line."""

import ast
import importlib
import inspect
import re
from functools import partial
from pathlib import Path

import keras
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn import paths
from brnn.config import groups, ranges, values
from brnn.config.check import check
from brnn.config.objective import objectives
from brnn.config.signatures import parameters
from brnn.errors import ConfigError
from brnn.runs.plan import choose_replicas

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


# The law


def test_every_group_is_checked():
    checked = {*groups.GROUPS, *groups.LISTED, "optimizer", "recipe"}
    assert checked - {"bias_initializer"} == GROUPS  # that one takes the options of initializer


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_an_option_is_the_function_of_its_name_and_keys(composed, group, name):
    option = composed(f"{group}={name}")[group]
    assert groups.label(option) == name
    module, called = groups.locate(group, option["name"], [])
    function = functions(module)[called]
    own = {*keyword_only(function)}
    shared = {*parameters(*groups.SHARED[group])} if group in groups.SHARED else set()
    assert option.keys() - {"preset"} == {"name", *own, *shared}
    assert not own & shared
    assert {*parameters(function.__module__, called)} == own


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_the_values_of_an_option_are_what_its_function_takes(composed, group, name):
    whole = composed(f"{group}={name}")
    built = groups.function(group, whole[group], [])
    assert isinstance(built, partial)
    for key, annotation in parameters(built.func.__module__, built.func.__name__).items():
        assert values.fits(whole[group][key], annotation), key


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
def test_an_optimizer_is_a_class_of_keras_and_its_keys(composed, name):
    keys = composed(f"optimizer={name}")["optimizer"]
    assert keys["name"].lower() == name
    assert isinstance(
        getattr(keras.optimizers, keys.pop("name"))(**keys), keras.optimizers.Optimizer
    )


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


@pytest.mark.parametrize("topology", ["simple", "deep", "mlp"])
@pytest.mark.parametrize("precision", ["full", "binarynet"])
def test_the_defaults_go_together(options, topology, precision):
    options(f"topology={topology}", f"precision={precision}")


RECIPES = {  # loss, schedule, learning rate, batch normalization
    "original": ("cross_entropy", "exponential", 0.001, False),
    "modern": ("squared_hinge", "cosine", 0.01, True),
    "recurrent": ("cross_entropy", "cosine", 0.002, False),
    "scaled_recurrent": ("cross_entropy", "cosine", 0.016, False),
}


def recipe_of(whole):
    return (
        whole["loss"]["name"],
        whole["schedule"]["name"],
        whole["optimizer"]["learning_rate"],
        whole["recipe"]["batch_normalization"],
    )


@pytest.mark.parametrize("topology", ["simple", "mlp", "gru", "scaled_gru"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_every_topology_in_the_same_way(options, topology, recipe):
    whole = options(f"topology={topology}", f"recipe={recipe}", "dataset=mnist_rows")
    assert whole["recipe"]["name"] == recipe
    assert recipe_of(whole) == RECIPES[recipe]
    if topology in ("simple", "mlp"):
        assert whole["topology"]["batch_normalization"] == RECIPES[recipe][3]


@pytest.mark.parametrize(
    ("topology", "recipe"),
    [
        ("simple", "original"),
        ("deep", "original"),
        ("mlp", "modern"),
        ("gru", "recurrent"),
        ("scaled_gru", "scaled_recurrent"),
    ],
)
def test_a_topology_chooses_its_default_recipe(options, topology, recipe):
    whole = options(f"topology={topology}", "dataset=mnist_rows")
    assert (whole["recipe"]["name"], recipe_of(whole)) == (recipe, RECIPES[recipe])


def test_the_command_line_changes_a_part_of_a_recipe(options):
    whole = options("topology=mlp", "loss=cross_entropy", "topology.batch_normalization=false")
    assert recipe_of(whole) == ("cross_entropy", "cosine", 0.01, True)
    assert whole["topology"]["batch_normalization"] is False
    assert (
        options("recipe=modern", "optimizer=sgd", "optimizer.learning_rate=1")["optimizer"]["name"]
        == "SGD"
    )


@pytest.mark.parametrize(
    "topology", ["rnn", "gru", "lstm", "clockwork", "mut1", "mut2", "scaled_gru"]
)
def test_recurrent_nets_share_batches_by_default(options, topology):
    whole = options(f"topology={topology}", "dataset=mnist_rows")
    assert choose_replicas(whole, None).count == 2
    whole = options(f"topology={topology}", "dataset=mnist_rows", "distribution=none")
    assert choose_replicas(whole, None).count == 1


def test_dense_nets_train_in_one_program_by_default(options):
    assert choose_replicas(options(), None).count == 1


@pytest.mark.parametrize(
    "topology", ["rnn", "gru", "lstm", "clockwork", "mut1", "mut2", "scaled_gru"]
)
@pytest.mark.parametrize("dataset", ["text", "copying", "adding", "waveform", "mnist_rows"])
def test_sequences_and_recurrent_nets_go_together(options, topology, dataset):
    whole = options(f"topology={topology}", f"dataset={dataset}")
    assert (whole["attack"]["name"] == "none") == (dataset != "mnist_rows")
    assert (whole["loss"]["name"], objectives(whole)) == (
        ("mean_squared_error", ["validation/loss"])
        if dataset in ("adding", "waveform")
        else ("cross_entropy", ["validation/accuracy"])
    )
    assert objectives(whole, has_validation=False)[0].startswith("test/")


def test_the_defaults_are_those_of_the_original(options):
    whole = groups.flat(options())
    original = {
        "epochs": 5,
        "batch_size": 128,
        "precision.name": "binarynet",
        "precision.scale": 1.0,
        "estimator.name": "identity",
        "topology.width": 256,
        "topology.depth": 1,
        "topology.activation": "tanh",
        "topology.batch_normalization": False,
        "optimizer.name": "Adam",
        "optimizer.learning_rate": 1e-3,
        "optimizer.beta_1": 0.9,
        "optimizer.beta_2": 0.999,
        "optimizer.epsilon": 1e-8,
        "optimizer.clipvalue": 10.0,
        "schedule.decay": 0.95,
        "schedule.every": 250,
        "loss.name": "cross_entropy",
        "initializer.name": "he_normal",
        "bias_initializer.name": "binary_choice",
        "attack.name": "fgsm",
        "attack.epsilon": 0.1,
        "attack.iterations": 1,
        "attack.targeted": True,
        "attack.clip": False,
        "attack.images": 5000,
    }
    assert {key: whole[key] for key in original} == original
    deep = options("topology=deep")["topology"]
    assert (deep["first_width"], deep["width"], deep["depth"]) == (256, 128, 11)


# What is refused

REFUSED = [
    (["epochs=0"], "epochs must be a whole number, 1 or more, got 0"),
    (["epochs=-1"], "epochs must be a whole number, 1 or more, got -1"),
    (["epochs=ten"], "epochs must be a whole number, 1 or more, got 'ten'"),
    (["epochs=1.5"], "epochs must be a whole number, 1 or more, got 1.5"),
    (["epochs=true"], "epochs must be a whole number, 1 or more, got True"),
    (["epochs=null"], "epochs must be a whole number, 1 or more, got None"),
    (["batch_size=0"], "batch_size must be a whole number, 1 or more, got 0"),
    (["seed=-1"], "seed must be a whole number from 0 to 2147483647, 2^31 - 1, got -1"),
    (["seed=2147483648"], "seed must be a whole number from 0 to 2147483647, 2^31 - 1, got 2147"),
    (["keep=worst"], "keep must be one of last, best, got 'worst'"),
    (["compiled=1"], "compiled must be true or false, got 1"),
    (["plugins=mylab"], "plugins must be a list, each a text, got 'mylab'"),
    (["plugins=[1]"], "plugins must be a list, each a text, got [1]"),
    (
        ["tracking.uri=3"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file (a store in memory",
    ),
    (
        ["tracking.uri='sqlite://'"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file (a store",
    ),
    (
        ["tracking.uri='sqlite:///:memory:'"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file",
    ),
    (["~estimator"], "estimator must be a group of keys, got None"),
    (["tracking=3"], "tracking must be a group of keys, got 3"),
    (
        ["+epohcs=3"],
        "epohcs is not a key here; valid are: epochs, batch_size, seed, patience, monitor, keep,",
    ),
    (["+tracking.url=x"], "tracking.url is not a key here; valid are: uri, experiment"),
    (
        ["estimator=ste", "+estimator.bounnd=3"],
        "estimator.bounnd is not a key here; valid are: bound",
    ),
    (["+estimator.bound=3"], "estimator.bound is not a key here; valid are: none"),
    (["estimator=ste", "~estimator.bound"], "estimator.bound is missing"),
    (["~epochs"], "epochs is missing"),
    (
        ["estimator=ste", "estimator.bound=0"],
        "estimator.bound must be a finite number above 0, got 0",
    ),
    (
        ["estimator=ste", "estimator.bound=inf"],
        "estimator.bound must be a finite number above 0, got inf",
    ),
    (
        ["estimator=ste", "estimator.bound=nan"],
        "estimator.bound must be a finite number above 0, got nan",
    ),
    (
        ["estimator=leaky_softsign", "estimator.leak=-1"],
        "estimator.leak must be a finite number, 0 or more, got -1",
    ),
    (
        ["estimator.name=stee"],
        "estimator.name must be one of approx_sign, binary_gradient, chernoff, identity,"
        " leaky_softsign, ste,"
        " swish_sign, got 'stee'",
    ),
    (["~estimator.name"], "estimator.name must be one of approx_sign,"),
    (
        ["loss.name=_fits"],
        "loss.name must be one of cross_entropy, mean_squared_error, squared_hinge, got '_fits'",
    ),
    (["precision.scale=-0.5"], "precision.scale must be a finite number above 0, got -0.5"),
    (["precision.scale=one"], "precision.scale must be a finite number above 0, got 'one'"),
    (
        ["precision=low_rank", "precision.ratio=0"],
        "precision.ratio must be above 0 and at most 1, got 0",
    ),
    (
        ["precision=low_rank", "precision.ratio=1.1"],
        "precision.ratio must be above 0 and at most 1, got 1.1",
    ),
    (["topology.width=0"], "topology.width must be a whole number, 1 or more, got 0"),
    (["topology.depth=-1"], "topology.depth must be a whole number, 0 or more, got -1"),
    (["topology.dropout=1"], "topology.dropout must be at least 0 and below 1, got 1"),
    (
        ["topology.batch_normalization=on_"],
        "topology.batch_normalization must be true or false, got 'on_'",
    ),
    (
        ["attack.epsilon=8"],
        "attack.epsilon must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is"
        " 0.0314), got 8",
    ),
    (
        ["attack.curve_epsilons=[0.1,8]"],
        "attack.curve_epsilons must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is"
        " 0.0314), got 8",
    ),
    (
        ["attack=suite", "attack.members=['pgd estimator=stee']"],
        "attack.members must be one of trained, approx_sign,",
    ),
    (
        ["attack=adaptive", "attack.estimators=[stee]"],
        "attack.estimators must be one of trained, approx_sign,",
    ),
    (["attack.iterations=0"], "attack.iterations must be a whole number, 1 or more, got 0"),
    (["attack.images=0"], "attack.images must be a whole number, 1 or more, got 0"),
    (
        ["attack.estimator=stee"],
        "attack.estimator must be one of trained, approx_sign, binary_gradient, chernoff,",
    ),
    (
        ["attack=none", "+attack.epsilon=0.1"],
        "attack.epsilon is not a key here; valid are: images, choice, target,",
    ),
    (["schedule.every=0"], "schedule.every must be a whole number, 1 or more, got 0"),
    (["schedule.decay=0"], "schedule.decay must be a finite number above 0, got 0"),
    (["dataset.validation=1"], "dataset.validation must be at least 0 and below 1, got 1"),
    (
        ["initializer=scaled_identity", "initializer.gain=0"],
        "initializer.gain must be a finite number above 0, got 0",
    ),
    (
        ["bias_initializer.name=zeros"],
        "bias_initializer.name must be one of binary_choice, he_normal,",
    ),
    (
        ["optimizer.learning_rate=fast"],
        "optimizer.learning_rate must be a finite number above 0, got 'fast'",
    ),
    (
        ["optimizer.learning_rate=-1"],
        "optimizer.learning_rate must be a finite number above 0, got -1",
    ),
    (["~optimizer.learning_rate"], "optimizer.learning_rate is missing"),
    (
        ["estimator.name=mylab.estimators.sharp"],
        "estimator.name=mylab.estimators.sharp: add 'mylab' to plugins, which",
    ),
    (
        ["estimator.name=mylab.estimators.sharp", "plugins=[mylab]"],
        "estimator.name=mylab.estimators.sharp: No module named 'mylab'",
    ),
    # each key is right, but not all together
    (
        ["dataset=text", "attack=fgsm"],
        "attack=fgsm needs a dataset of pixels and classes, got dataset=text; use",
    ),
    (
        ["dataset=text"],
        "topology must be one of clockwork, gru, lstm, mut1, mut2, rnn, scaled_gru for"
        " dataset=text, got",
    ),
    (
        ["precision=custom", "precision.kernel={scale: 1}"],
        "precision.kernel.quantizer must be one of binary, exponential",
    ),
    (
        ["precision=custom", "precision.kernel={quantizer: binary}"],
        "precision.kernel.scale is missing",
    ),
    (
        ["precision=custom", "precision.bias={quantizer: exponential}"],
        "precision.bias.bound is missing",
    ),
    (
        ["precision=custom", "precision.bias=binary"],
        "precision.bias must be a mapping or null, got 'binary'",
    ),
    (
        ["precision=contextual_binary", "precision.roles=both"],
        "precision.roles must be one of all, hidden, input, got",
    ),
    (
        ["topology=clockwork", "topology.periods=[0]"],
        "topology.periods must be a list, each a whole number, 1 or more",
    ),
    (["sample.temperature=0"], "sample.temperature must be a finite number above 0, got 0"),
    (
        ["loss=mean_squared_error"],
        "loss must be cross_entropy or squared_hinge for dataset=mnist, got mean_squared",
    ),
    (
        ["dataset=adding", "loss=cross_entropy"],
        "loss must be mean_squared_error for dataset=adding, got cross_entropy",
    ),
    (
        ["keep=best", "dataset.validation=0"],
        "keep=best needs validation data, got dataset.validation=0; use keep=last",
    ),
    (
        ["attack=none", "objective=attack/robust_accuracy"],
        "objective=attack/robust_accuracy needs an attack, got attack=none",
    ),
    (
        ["objective=validation/acuracy"],
        "objective must be a metric of docs/reference/metrics.md, got 'validation/acuracy';"
        " did you mean validation/accuracy?",
    ),
    (
        ["objective=[test/loss,attack/robustness]"],
        "objective must be a metric of docs/reference/metrics.md, got 'attack/robustness'",
    ),
    (
        ["objective=trust/robust_accuracy", "attack.checks=false"],
        "objective=trust/robust_accuracy needs the checks of an attack, got attack=fgsm"
        " attack.checks=false",
    ),
    (
        ["objective=validation/accuracy", "dataset.validation=0"],
        "objective=validation/accuracy needs validation data, got dataset.validation=0",
    ),
    (
        ["dataset=adding", "topology=gru", "objective=test/accuracy"],
        "objective=test/accuracy needs classes, and dataset=adding has values to predict",
    ),
    (["objective=curve/epsilon"], "objective=curve/epsilon needs one value, and a curve has"),
]


@pytest.mark.parametrize(
    ("overrides", "message"), REFUSED, ids=[" ".join(one) for one, _ in REFUSED]
)
def test_a_bad_value_is_refused_in_one_line_that_states_what_is_valid(composed, overrides, message):
    with pytest.raises(ConfigError) as error:
        check(composed(*overrides))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_value_error_of_the_configuration_is_a_value_error():
    assert issubclass(ConfigError, ValueError)


# Plugins

ODD = """
def odd(x, upstream, fan_in, *, beta: tuple[int, int]):
    return x

def odder(x, upstream, fan_in, *, beta: 1 / 0):
    return x

class Scale: ...

def own(x, upstream, fan_in, *, beta: Scale):
    return x

def quoted(x, upstream, fan_in, *, beta: "Positive"):
    return x

def pairs(*, root: str, validation: float) -> datasets.Tokens: ...
"""
SHARP = '''
from typing import Any

from brnn.config.ranges import Positive

def sharp(x, upstream, fan_in, *, beta: Positive, scale: Any):
    """Beta times the upstream gradient."""
    return beta * upstream

def _private(x, upstream, fan_in):
    return x
'''


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """A package of one's own with an estimator."""
    (tmp_path / "labmodule").mkdir()
    (tmp_path / "labmodule" / "__init__.py").touch()
    (tmp_path / "labmodule" / "estimators.py").write_text(SHARP)
    (tmp_path / "labmodule" / "odd.py").write_text(ODD)
    (tmp_path / "labmodule" / "broken.py").write_text("def sharp(:")
    (tmp_path / "labmodule" / "space").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


PLUGGED = ("plugins=[labmodule]", "estimator.name=labmodule.estimators.sharp")


def test_a_function_of_a_plugin_is_used_with_its_keys(mylab, options):
    whole = options(*PLUGGED, "+estimator.beta=2", "+estimator.scale=any")
    assert groups.function("estimator", whole["estimator"], whole["plugins"])(0.0, 3.0, 1) == 6.0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+estimator.scale=1"], "estimator.beta is missing"),
        (
            ["+estimator.beta=-2", "+estimator.scale=1"],
            "estimator.beta must be a finite number above 0, got -2",
        ),
        (
            ["estimator.name=labmodule.estimators._private"],
            "estimator.name must be one of sharp, got",
        ),
        (
            ["estimator.name=os.system"],
            "estimator.name=os.system: add 'os' to plugins, which lists ['labmodule']",
        ),
        (
            ["estimator.name=labmodule.nothing.sharp"],
            "estimator.name=labmodule.nothing.sharp: there is no module",
        ),
        (
            ["estimator.name=labmodule.space.sharp"],
            "there is no module 'labmodule.space' in Python",
        ),
        (
            ["estimator.name=labmodule.broken.sharp"],
            "estimator.name=labmodule.broken.sharp: invalid syntax",
        ),
        (
            ["estimator.name=labmodule.odd.odd", "+estimator.beta=1"],
            "the annotation of beta, tuple[int, int], cannot be read at tuple[int, int]; use int,",
        ),
        (
            ["estimator.name=labmodule.odd.odder"],
            "the annotation of beta, 1 / 0, cannot be read at 1 / 0; use int,",
        ),
        (
            ["estimator.name=labmodule.odd.quoted", "+estimator.beta=0"],
            "must be a finite number above 0, got 0",
        ),
        (
            ["+estimator.beta=1", "+estimator.scale=1", "dataset.name=labmodule.odd.pairs"],
            "attack=fgsm needs a dataset of pixels and classes, got dataset=labmodule.odd.pairs",
        ),
    ],
)
def test_a_plugin_is_checked_like_an_option(mylab, composed, overrides, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        check(composed(*PLUGGED, *overrides))


# Ranges and helpers

NUMBERS = st.one_of(st.integers(-5, 5), st.floats())


@given(NUMBERS)
@settings(max_examples=200)
def test_a_range_accepts_the_numbers_that_it_describes(value):
    whole = isinstance(value, int)
    fits = {
        name: values.fits(value, getattr(ranges, name))
        for name in ("Natural", "Count", "Share", "ProperShare")
    }
    assert fits == {
        "Natural": whole and value >= 0,
        "Count": whole and value >= 1,
        "Share": 0 <= value <= 1,
        "ProperShare": 0 <= value < 1,
    }
    assert values.fits(value, ranges.Positive) == (0 < value < float("inf"))
    assert values.fits(value, ranges.NonNegative) == (0 <= value < float("inf"))
    assert values.fits(value, ranges.Epsilon) == (0 < value <= 1)


TEXTS = ("Annotated", "MetricDirection", "Path", "StoreUri", "Address")


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("max a/b", True),
        ("min a", True),
        ("a/b", False),
        ("max", False),
        ("top a", False),
        (1, False),
    ],
)
def test_a_metric_direction_is_a_direction_and_a_metric(value, fits):
    assert values.fits(value, ranges.MetricDirection) == fits


@pytest.mark.parametrize(
    "name", [name for name in vars(ranges) if name[0].isupper() and name not in TEXTS]
)
def test_a_range_describes_itself_and_refuses_bool_text_null_and_list(name):
    annotation = getattr(ranges, name)
    assert values.describe(annotation) == annotation.__metadata__[0]
    assert not any(values.fits(value, annotation) for value in (True, "1", None, [1]))
    assert values.fits(1 if name != "ProperShare" else 0.5, annotation)


def test_flat_joins_nested_keys_by_dots():
    assert groups.flat({"a": 1, "b": {"c": [2], "d": {"e": None}}}) == {
        "a": 1,
        "b.c": [2],
        "b.d.e": None,
    }


def test_an_option_is_read_as_its_file_gives_it():
    assert groups.option("estimator", "ste") == yaml.safe_load(
        (CONF / "estimator" / "ste.yaml").read_text()
    )
