"""The structure of the code: one-way imports, few importers of heavy libraries, short modules."""

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import brnn
from brnn import errors
from brnn.config import fingerprint, groups

PACKAGE = Path(brnn.__file__).parent
ROOMS = [  # packages and single modules, in order: each imports only from those before it
    "errors", "contracts", "paths", "signals", "writing",
    "terminal", "locks", "figures",
    "config",
    "quantization", "nets", "data", "measures", "exchange",
    "attacks", "training", "proof", "robustness",
    "tracking", "compare", "runs", "sweeps", "library", "cli",
]  # fmt: skip
IMPORTERS = {  # which rooms import a library
    "tensorflow": {"attacks", "training", "robustness", "runs"},
    "keras": {
        "quantization", "nets", "data", "measures", "exchange", "training", "proof", "robustness",
        "tracking", "library", "cli",
    },
    "scipy": {"proof", "compare"},
    "ortools": {"proof"},
    "onnx": {"exchange", "proof"},
    "onnxruntime": {"exchange", "proof"},
    "highspy": {"proof"},
    "qonnx": {"exchange"},
    "ai_edge_quantizer": {"exchange"},
    "ai_edge_litert": {"exchange"},
    "art": {"attacks"},
    "mlflow": {"tracking"},
    "sqlalchemy": {"tracking"},
    "requests": {"tracking"},
    "hydra": {"sweeps", "cli"},
    "omegaconf": {"sweeps", "cli"},
    "optuna": {"sweeps"},
    "cloudpickle": {"sweeps"},
    "ray": {"sweeps"},
    "submitit": {"sweeps"},
    "matplotlib": {"figures"},
    "plotly": {"compare"},
    "rich": {"terminal"},
    "mlxtend": {"data"},
}  # fmt: skip
LONGEST = 300  # lines of a module


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py") if "_ext" not in path.parts}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, without those below `if TYPE_CHECKING:`, which never run."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from runtime_nodes(child)


@cache
def imported(module: str) -> set[str]:
    """Dotted names that a module imports, at its top or inside a function."""
    names = set()
    for node in runtime_nodes(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def modules_of(room_: str) -> list[str]:
    return [module for module in MODULES if room(module) == room_]


def test_every_module_is_in_a_room():
    assert {room(module) for module in MODULES} - {""} == {*ROOMS, "__main__"}


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_rooms_before_it(name):
    used = {
        room(i) for module in modules_of(name) for i in imported(module) if i.startswith("brnn.")
    }
    assert used - {name} <= set(ROOMS[: ROOMS.index(name)])


@pytest.mark.parametrize("name", ROOMS)
def test_modules_of_a_room_have_no_circle(name):
    inside = {m: {i for i in targets(m) if room(i) == name} for m in modules_of(name)}
    pending, done = set(inside), set()
    while pending:
        ready = {module for module in pending if inside[module] - {module} <= done}
        assert ready, f"circle among {sorted(pending)}"
        pending -= ready
        done |= ready


def targets(module: str) -> set[str]:
    """The modules of this package that a module imports."""
    names = {name for name in imported(module) if name.startswith("brnn.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names} - {"brnn"}


@pytest.mark.parametrize("module", MODULES)
def test_a_room_uses_another_only_by_its_public_names(module):
    private = {
        name
        for name in imported(module)
        if name.startswith("brnn.") and room(name) != room(module) and "._" in name
    }
    assert not private


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_heavy_library_is_imported_only_where_it_is_needed(library):
    users = {room(m) for m in MODULES for i in imported(m) if i.split(".")[0] == library}
    assert users == IMPORTERS[library]


@pytest.mark.parametrize("module", modules_of("quantization") + modules_of("nets"))
def test_the_method_needs_only_keras(module):
    libraries = {name.split(".")[0] for name in imported(module)} - set(sys.stdlib_module_names)
    assert libraries <= {"brnn", "keras", "numpy"}


@pytest.mark.parametrize("module", MODULES)
def test_libraries_are_used_by_their_public_names(module):
    private = ("keras.src", "tensorflow.python", "mlflow.store.db", "hydra._internal")
    allowed = {"hydra._internal.utils.get_args_parser"}  # Hydra has no public parser of its flags
    assert not {name for name in imported(module) if name.startswith(private)} - allowed


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_asserted_or_evaluated(module):
    nodes = list(ast.walk(tree(module)))
    assert not [node for node in nodes if isinstance(node, ast.Assert)]
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("module", MODULES)
def test_every_error_is_one_of_the_package(module):
    allowed = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.BrnnError)
    }
    if room(module) in ("cli", "signals"):
        allowed |= {"KeyboardInterrupt", "SystemExit"}
    lookups = [n for n in tree(module).body if getattr(n, "name", "") == "__getattr__"]
    lookup = {node for function in lookups for node in ast.walk(function)}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            again = isinstance(node.exc, ast.Name) and not hasattr(builtins, raised)
            expected = allowed | ({"AttributeError"} if node in lookup else set())
            assert again or raised in expected, f"line {node.lineno} raises {raised}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_has_a_docstring(module):
    text = MODULES[module].read_text()
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(tree(module))


def test_a_run_reads_as_a_straight_line():
    (run,) = [n for n in tree("brnn.runs.run").body if getattr(n, "name", "") == "run"]
    assert run.end_lineno - run.lineno < 60


# Fingerprints rest on the closure of imports


def test_every_module_that_a_run_reaches_is_hashed_or_named_as_harmless(options):
    configuration = options("attack=suite")
    hashed = set(fingerprint.numeric_modules(configuration, fingerprint.RUN))
    roots = {fingerprint.RUN, *(m for modules in groups.GROUPS.values() for m in modules)}
    reached = fingerprint.closure(roots, ("brnn",))
    chosen = {m for m in reached if not fingerprint.is_harmless(m)}
    optional = {
        "brnn.attacks.external",
        "brnn.attacks.toolbox",
        "brnn.proof",
    }  # options that this run does not choose
    assert {m for m in chosen - hashed if not m.startswith(tuple(optional))} <= {
        "brnn.data.sequences", "brnn.nets.convolutional", "brnn.nets.recurrent", "brnn.nets.stack",
        "brnn.nets.cells", "brnn.nets.files",
    }  # fmt: skip
    for name in fingerprint.HARMLESS:
        assert any(m == name or m.startswith(f"{name}.") for m in MODULES), f"{name} is gone"


def test_a_module_that_computes_metrics_is_not_harmless():
    functions = [(m, n) for m in MODULES for n in ast.walk(tree(m)) if hasattr(n, "decorator_list")]
    computing = {m for m, n in functions if "\nMetrics:\n" in (ast.get_docstring(n) or "")}
    assert "brnn.measures.weights" in computing
    assert not {module for module in computing if fingerprint.is_harmless(module)}


CHECKED_WITHOUT = """
import sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
import brnn.cli.train
from brnn import paths
from brnn.config.check import check
with initialize_config_dir(str(paths.conf()), version_base="1.3"):
    check(OmegaConf.to_container(compose("config"), resolve=True))
heavy = {"tensorflow", "keras", "mlflow", "matplotlib", "mlxtend"}
print(*{name.split(".")[0] for name in sys.modules} & heavy)
"""


def test_a_configuration_is_checked_before_anything_heavy_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", CHECKED_WITHOUT], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


PUBLIC = """
import sys
import brnn
heavy = {"tensorflow", "keras", "mlflow", "numpy", "hydra"}
print(*{name.split(".")[0] for name in sys.modules} & heavy)
"""


def test_importing_the_package_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", PUBLIC], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


IMPORTED = """
import gc, sys
from brnn.cli.startup import RARELY, UNUSED, run
print(set(UNUSED) & set(sys.modules), gc.isenabled(), gc.get_freeze_count() > 100_000)
print(gc.get_threshold() == RARELY)
import matplotlib.pyplot, sklearn
print(run.__name__, sklearn.__name__)
"""


def test_imports_leave_out_what_is_not_used_and_collect_garbage_rarely_after():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["set() True True", "True", "run sklearn"], done.stderr
    assert done.stderr == ""
