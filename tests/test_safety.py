"""Nothing that is read can run code: no classes in pickles; names resolve in package or plugins."""

import ast
import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brnn
from brnn.config import groups
from brnn.config.check import check
from brnn.errors import ConfigError

SOURCES = sorted(Path(brnn.__file__).parent.rglob("*.py"))
UNPICKLING = {"pickle", "dill", "shelve", "marshal", "cloudpickle"}
HARMLESS = {  # but for the last between processes of one command, never in files
    "pools": {"cloudpickle"},
    "worker": {"pickle"},
    "cifar": {"pickle"},  # an unpickler that knows arrays of whole numbers alone
}
FOREIGN = (
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "posix.system",
    "brnn.config.eval",
    "keras.Model",
    "__import__",
)


@pytest.fixture(scope="module")
def defaults(options):
    return options()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_unpickles(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name.split(".")[0] for alias in node.names} | {
                (getattr(node, "module", "") or "").split(".")[0]
            }
            assert names & UNPICKLING <= HARMLESS.get(path.stem, set())
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "safe_mode"):
            assert ast.literal_eval(node.value) is (node.arg == "safe_mode")
        if isinstance(node, ast.Attribute) and node.attr in ("load", "load_model"):
            called = [
                call for call in ast.walk(tree) if isinstance(call, ast.Call) and call.func is node
            ]
            given = {keyword.arg for call in called for keyword in call.keywords}
            owner = getattr(node.value, "id", getattr(node.value, "attr", ""))
            assert owner not in ("np", "models") or given & {"allow_pickle", "safe_mode"}, (
                f"{path}: {ast.unparse(node)}"
            )


@pytest.mark.parametrize("group", groups.GROUPS)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_name_of_foreign_code_is_refused(defaults, group, name):
    chosen = defaults | {group: {"name": name}}
    with pytest.raises(ConfigError, match=rf"{group}.name"):
        check(chosen)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
)


def refusal(chosen):
    try:
        check(chosen)
    except ConfigError as error:
        return str(error)
    return ""


@given(data=st.data())
@settings(max_examples=200)
def test_a_mutated_configuration_is_valid_or_refused_in_one_line(defaults, data):
    chosen = copy.deepcopy(defaults)
    for _ in range(data.draw(st.integers(1, 3))):
        section = data.draw(
            st.sampled_from(
                ["", *(key for key, value in chosen.items() if isinstance(value, dict))]
            )
        )
        part = chosen[section] if section else chosen
        key = (
            data.draw(st.one_of(st.sampled_from(sorted(part)), st.text(max_size=5)))
            if part
            else "x"
        )
        if section and data.draw(st.booleans()):
            part.pop(key, None)
        elif section or not isinstance(part.get(key), dict):
            part[key] = data.draw(VALUES)
    assert "\n" not in refusal(chosen)


def test_a_key_that_cannot_be_printed_is_quoted(defaults):
    assert refusal(copy.deepcopy(defaults) | {"\n": 1}).startswith("'\\n' is not a key here; ")
