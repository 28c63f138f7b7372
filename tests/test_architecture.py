"""Imports go one way in a stated order, each heavy library has its home, and a configuration is checked without any."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import brnn

PACKAGE = Path(brnn.__file__).parent
ORDER = [
    "ranges", "config", "lending",  # what a configuration may say
    "estimators", "quantizers", "initializers", "schedules", "losses",  # pure functions
    "layers", "cells", "manager", "tasks", "precisions", "topologies", "recurrent", "measures",  # nets
    "terminal", "locks", "files", "datasets",
    "checkpoint", "distribution", "training", "nets",
    "libraries", "goals", "regimes", "attacks", "blackbox", "external", "ensembles", "cp_sat", "exact", "trust",
    "figures", "robustness", "writing",
    "identity", "spools", "tracking",  # what a person sees
    "run", "imports", "search", "sweep", "pools", "launchers", "sweepers", "sync",
    "shutdown", "__main__", "sample",
]  # fmt: skip
HOMES = {
    "tensorflow": {
        "distribution",
        "training",
        "goals",
        "regimes",
        "attacks",
        "blackbox",
        "external",
        "trust",
        "robustness",
        "writing",
    },
    "scipy": {"exact"},
    "ortools": {"cp_sat"},
    "art": {"external", "libraries"},
    "mlflow": {"tracking"},
    "hydra": {"__main__", "launchers", "sweep", "sweepers"},
    "omegaconf": {"__main__", "launchers", "sweep", "sweepers"},
    "optuna": {"search"},
    "cloudpickle": {"pools"},
    "ray": {"launchers"},
    "submitit": {"launchers"},
    "matplotlib": {"figures"},
    "rich": {"terminal"},
    "mlxtend": {"files"},
    "yaml": {"config", "ensembles", "run", "tracking"},
}
ONLY_KERAS = ["estimators", "quantizers", "initializers", "schedules", "losses", "layers", "cells", "manager",
              "tasks", "precisions", "topologies", "recurrent", "measures"]  # fmt: skip


def imported(module: str) -> set[str]:
    """Dotted names that a module imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def libraries(module: str) -> set[str]:
    return {name.split(".")[0] for name in imported(module)} - set(sys.stdlib_module_names) - {"brnn"}


def test_every_module_has_a_place_in_the_order():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_what_comes_before(module):
    used = {name.split(".")[1] for name in imported(module) if name.startswith("brnn.")}
    assert used <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_stays_home(library):
    assert {module for module in ORDER if library in libraries(module)} == HOMES[library]


@pytest.mark.parametrize("module", ONLY_KERAS)
def test_the_method_itself_needs_only_keras(module):
    assert libraries(module) <= {"keras", "numpy"}


@pytest.mark.parametrize("module", ORDER)
def test_keras_is_used_by_its_public_names(module):
    assert not {name for name in imported(module) if name.startswith(("keras.src", "tensorflow.python"))}


def privates(tree: ast.AST) -> set[str]:
    """Private names of the standard library that a module reads; `os._exit` is public."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in sys.stdlib_module_names
    }
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and node.attr.startswith("_")
    } - {"os._exit"}


@pytest.mark.parametrize("module", ORDER)
def test_python_is_used_by_its_public_names(module):
    assert privates(ast.parse((PACKAGE / f"{module}.py").read_text())) == set()


@pytest.mark.parametrize("module", ORDER)
def test_nothing_is_asserted_in_the_package(module):
    assert not [
        node for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())) if isinstance(node, ast.Assert)
    ]


CHECKED_WITHOUT = """
import sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
import brnn.__main__
from brnn import config
with initialize_config_dir(str(config.folder()), version_base="1.3"):
    config.check(OmegaConf.to_container(compose("config"), resolve=True))
print(*{name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "mlflow", "matplotlib", "mlxtend"})
"""


def test_a_configuration_is_checked_before_anything_heavy_is_imported():
    done = subprocess.run([sys.executable, "-c", CHECKED_WITHOUT], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


IMPORTED = """
import gc, sys
from brnn.imports import UNUSED, run
print(set(UNUSED) & set(sys.modules), gc.isenabled(), gc.get_freeze_count() > 100_000)
import matplotlib.pyplot, sklearn
print(run.__name__, sklearn.__name__)
"""


def test_imports_leave_out_what_is_not_used_and_leave_python_as_it_was():
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["set() True True", "brnn.run sklearn"], done.stderr
    assert done.stderr == ""
