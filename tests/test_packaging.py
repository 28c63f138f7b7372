"""The wheel: it is complete, and runs from an empty folder without the checkout."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from brnn import paths

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of this checkout, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("brnn-*.whl")
    return zipfile.ZipFile(built)


def files(folder, pattern):
    """Paths below a folder of the checkout, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


def test_the_wheel_holds_every_option_and_every_module_and_nothing_else(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {f"brnn/{name}" for name in files(ROOT / "brnn", "*.py")}
    options = {f"brnn/conf/{name}" for name in files(paths.conf(), "*.yaml")}
    assert "brnn/_ext/hydra_plugins/brnn_plugins.py" in modules
    assert "brnn/conf/config.yaml" in options
    assert names == modules | options | {"brnn/py.typed", "brnn/compare/page.html"}


def test_the_wheel_has_a_command_a_licence_and_its_range_of_python(wheel):
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert "brnn = brnn.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "Requires-Python: <3.14,>=3.11" in wheel.read(f"{info}/METADATA").decode()


DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "art": "adversarial-robustness-toolbox",
    "hydra": "hydra-core",
    "PIL": "pillow",
    "yaml": "pyyaml",
}


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *(package for name in extras if name != "test" for package in extras[name]),
    ]
    trees = [ast.parse(path.read_text()) for path in (ROOT / "brnn").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"brnn"}
    assert {DISTRIBUTIONS.get(name, name) for name in packages} <= {
        re.match(r"[\w-]+", package)[0] for package in declared
    }


def test_the_unpacked_wheel_runs_from_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    wheel.extractall(site)
    empty.mkdir()
    for flags in (["--info", "searchpath"], ["--cfg", "job"]):
        command = [sys.executable, "-m", "brnn", "estimator=chernoff", *flags]
        environment = os.environ | {"PYTHONPATH": str(site)}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=empty, env=environment
        )
        assert (done.returncode, done.stderr) == (0, "")
        expected = (
            f"file://{site}/brnn/conf" if "--info" in flags else "estimator:\n  name: chernoff\n"
        )
        assert expected in done.stdout
    assert list(empty.iterdir()) == []
