"""`brnn doctor`: print what a report of a fault needs, and what would stop a run."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import brnn
from brnn import paths
from brnn.cli import machine
from brnn.cli.arguments import parse
from brnn.cli.help_page import table
from brnn.config import environment, groups
from brnn.data.folders import AUTO, VARIABLE, data_folder
from brnn.errors import BrnnError, ConfigError, TrackingError
from brnn.terminal import lines, stderr
from brnn.terminal.numbers import size

DATA = ("mnist", "fashion_mnist", "tinyshakespeare")
VARIABLES = re.compile(
    r"(BRNN|CUDA|HYDRA|KERAS|MLFLOW|OMP|RAY|SLURM|TF(?!_CLI)|XLA)_\w+"
    r"|CI|KMP_\w+|LD_LIBRARY_PATH|PYTHONPATH|XDG_CACHE_HOME|https?_proxy|no_proxy"
)
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|KEY$")
REMARKS = environment.UNUSED | {  # what is odd about a variable
    "TF_CONFIG": "read by distribution=multi_worker alone",
    "TF_USE_LEGACY_KERAS": "no effect: brnn imports Keras 3",
    "TF_XLA_FLAGS": "replaces the cache of compiled programs",
}
ABSENT = "not installed"
FREE_BYTES = 1 << 28  # below it, stores and checkpoints may fail


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    return ArgumentParser(prog="brnn doctor", description=str(__doc__).partition(": ")[2])


def main(arguments: list[str]) -> None:
    """Print the sections, and at the end what would stop a run; the exit code is then 1."""
    parse(parser(), arguments)
    variables = _variables()  # before an import sets some
    problems: list[str] = []

    def checked(read: Callable[[], str]) -> str:
        try:
            return read()
        except BrnnError as error:
            problems.append(str(error))
            return "see the last lines"

    sections = {
        "Versions": {
            "brnn": _code(),
            "Python": f"{platform.python_version()}, {sys.executable}",
            "packages": checked(partial(_packages, "")),
            **{f"extra {extra}": _packages(extra) for extra in _extras()},
        },
        "Machine": {**machine.rows(), "instructions": checked(_instructions)},
        "Data": {name: checked(partial(_data, name)) for name in DATA}
        | {"cache of Keras": _folder(environment.keras_home() / "datasets")},
        "Runs": {
            "store": checked(_store),
            "checkpoints": checked(_checkpoints),
            "cache": _folder(paths.user_cache()),
        },
        "Environment": {"Keras": checked(_keras), **variables},
    }
    for title, rows in sections.items():
        lines.write(sys.stdout, f"{title}\n{table(rows)}\n")
    for problem in problems:
        lines.error(problem)
    if not problems:
        lines.note("nothing here would stop a run")
    sys.exit(int(bool(problems)))


def _code() -> str:
    from brnn.tracking.commit import commit  # sets variables of MLflow

    hash_, changed = commit()
    at = f", commit {hash_[:12]}{' with changes' if changed else ''}" if hash_ else ""
    return f"{brnn.__version__}{at}, {Path(brnn.__file__).parent}"


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield the name of each required package, and the extra that requires it, or nothing."""
    for line in importlib.metadata.requires("brnn") or []:
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        yield re.split(r"[^\w.-]", line, maxsplit=1)[0], extra[1] if extra else ""


def _extras() -> list[str]:
    return sorted({extra for _, extra in _requirements()} - {"", "test"})


def _packages(wanted: str) -> str:
    """Return the packages of an extra, or of the package itself, with their versions.

    Raises:
        ConfigError: one that every run needs is missing.
    """
    versions = {}
    for name, extra in _requirements():
        if extra == wanted:
            versions[name] = ABSENT
            with suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
    missing = [name for name, version in versions.items() if version == ABSENT]
    if missing and not wanted:
        raise ConfigError(f"packages are missing: pip install {' '.join(missing)}")
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _instructions() -> str:
    """Return whether the packages of TensorFlow run on this processor.

    Raises:
        ConfigError: they end by an illegal instruction.
    """
    if platform.machine() == "x86_64" and machine.features() and "avx" not in machine.features():
        raise ConfigError("this processor has no AVX, which TensorFlow's packages need")
    return "sufficient for TensorFlow"


def _data(name: str) -> str:
    return _folder(data_folder(AUTO, name))


def _folder(path: Path) -> str:
    """Return the address of a folder with the number and the size of its files."""
    if not path.is_dir():
        return f"{path}: no such folder"
    sizes = []
    for file in path.rglob("*"):
        with suppress(OSError):  # it may have been removed meanwhile
            sizes += [file.stat().st_size] if file.is_file() else []
    return f"{path.resolve()}: {len(sizes)} file{'s' * (len(sizes) != 1)}, {size(sum(sizes))}"


def _store() -> str:
    """Return the store of runs without `tracking.uri`, and how many it has.

    Raises:
        TrackingError: it does not answer, or cannot be read.
    """
    keys = environment.tracking_keys()
    with stderr.quiet():
        from brnn.tracking import sqlite_uri
        from brnn.tracking.reading import open_existing
    uri = sqlite_uri.absolute(paths.expanded(keys["uri"]))
    if sqlite_uri.is_absent(uri):
        return f"{uri}: created by the first run"
    stores = open_existing(uri, None)
    runs = [len(store.search("")) for store in stores]
    return f"{uri}: reachable, {sum(runs)} runs in {len(runs)} experiments"


def _checkpoints() -> str:
    """Return the default folder of checkpoints with its size, and the room that is left.

    Raises:
        TrackingError: it cannot be written, or there is little room.
    """
    folder = Path(groups.option("", "config")["checkpoints"])
    existing = folder if folder.is_dir() else Path()
    if not os.access(existing, os.W_OK):
        raise TrackingError(f"{existing.resolve()} cannot be written")
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        raise TrackingError(f"{existing.resolve()} has room for only {size(free)}")
    return f"{_folder(folder)}; {size(free)} free"


def _keras() -> str:
    environment.check_keras()
    return f"backend {environment.KERAS['backend']}, floatx {environment.KERAS['floatx']}"


def _variables() -> dict[str, str]:
    """Return the variables that may matter, with their values and what is odd about them."""
    rows = {}
    for name, value in sorted(os.environ.items()):
        if VARIABLES.fullmatch(name):
            shown = "***" if SECRET.search(name) else paths.masked(value) or "(empty)"
            rows[name] = f"{shown}  ({REMARKS[name]})" if name in REMARKS else shown
    return rows or {f"{VARIABLE}, …": "none of the known variables is set"}
