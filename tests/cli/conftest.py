"""Shared by the tests of the command line: light processes, and the installed script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "keras", "mlflow", "matplotlib", "mlxtend")
SCRIPT = """#!{python}
import sys
from brnn.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture(scope="session")
def broken_libraries(tmp_path_factory) -> dict[str, str]:
    """The environment of a process that ends where it imports a heavy library."""
    broken = tmp_path_factory.mktemp("broken")
    for name in HEAVY:
        (broken / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    return {"PYTHONPATH": os.pathsep.join([str(broken), *filter(None, [os.getenv("PYTHONPATH")])])}


@pytest.fixture(scope="session")
def command_line(offline):
    """A function that runs `python -m brnn` in a folder, in a new interpreter."""

    def run(folder, *arguments, limit=None, **environment) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "brnn", *arguments]
        if limit:  # of the size of files, in KiB
            command = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash", *command]
        keys = {"capture_output": True, "text": True, "check": False, "timeout": 300}
        return subprocess.run(command, cwd=folder, env=offline | environment, **keys)

    return run


@pytest.fixture(scope="session")
def light(command_line, broken_libraries, tmp_path_factory):
    """A function that runs the command line where no heavy library can be imported."""

    def run(*arguments, **environment):
        empty = tmp_path_factory.mktemp("empty")
        done = command_line(empty, *arguments, **broken_libraries, **environment)
        assert list(empty.iterdir()) == []
        return done

    return run


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> dict[str, str]:
    """The environment in which `brnn` is the script that pip installs."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "brnn").write_text(SCRIPT.format(python=sys.executable))
    (folder / "brnn").chmod(0o755)
    package = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": package}


@pytest.fixture(scope="session")
def script(installed):
    """A function that runs the installed script in a folder."""

    def run(folder, *arguments, **environment) -> subprocess.CompletedProcess:
        keys = {"capture_output": True, "text": True, "check": False, "timeout": 300}
        return subprocess.run(["brnn", *arguments], cwd=folder, env=installed | environment, **keys)

    return run


@pytest.fixture(scope="session")
def error_of():
    """A function that returns the one line of a failed command, without its prefix."""

    def line(done) -> str:
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return line
