"""Fingerprints: which runs have the same numbers.

A fingerprint covers the configuration, the data, the versions of the numerical libraries, and the
code: every module that the run imports, directly or not, except those that only show, store or
start. Comments, docstrings and layout of the code do not count.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from brnn.config import code, groups
from brnn.config.attack_options import COMPARED_WITH_EXACT, members
from brnn.config.cluster import workers
from brnn.config.model_file import is_net

IRRELEVANT_KEYS = (
    "tracking",
    "checkpoints",
    "resume",
    "dry_run",
    "objective",
    "figures",
    "keep_trained",
)
POST_TRAINING_KEYS = ("attack", "sample", "export")
LOCATION_KEYS = {"dataset": ("root", "path"), "distribution": ("workers", "index", "timeout")}
LIBRARIES = ("tensorflow", "keras", "numpy")
TRAINING, RUN = "brnn.runs.train", "brnn.runs.run"  # where each kind of numbers is computed
FILES = "brnn.exchange.files"  # reads the file of a net from which a training starts
HARMLESS = (  # packages and modules that decide no number
    "brnn.errors",
    "brnn.contracts",
    "brnn.paths",
    "brnn.writing",
    "brnn.locks",
    "brnn.terminal",
    "brnn.figures",
    "brnn.config.check",
    "brnn.config.check_data",
    "brnn.config.check_formats",
    "brnn.config.check_keys",
    "brnn.config.cluster",
    "brnn.config.code",
    "brnn.config.combinations",
    "brnn.config.fingerprint",
    "brnn.config.maps",
    "brnn.config.metrics",
    "brnn.config.model_file",
    "brnn.config.objective",
    "brnn.config.plugins",
    "brnn.config.ranges",
    "brnn.config.run_name",
    "brnn.config.schema",
    "brnn.config.signatures",
    "brnn.config.values",
    "brnn.tracking",
    "brnn.training.checkpoint",
    "brnn.robustness.artifacts",
    "brnn.runs.rehearsal",
    "brnn.runs.report",
    "brnn.runs.resume",
)


def run_fingerprint(options: dict[str, Any], digest: str) -> str:
    """Return 16 hexadecimal digits that are equal for runs of equal numbers.

    Args:
        options: a checked configuration.
        digest: that of the data, `brnn.data.load.digest`.
    """
    return _fingerprint(options, digest, RUN)


def training_fingerprint(options: dict[str, Any], digest: str) -> str:
    """Return the fingerprint of the training alone: equal for runs that attack one net."""
    training = {key: v for key, v in options.items() if key not in POST_TRAINING_KEYS}
    return _fingerprint(training, digest, TRAINING)


def hash_json(value: Any) -> str:
    """Return 16 hexadecimal digits of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def numeric_modules(options: dict[str, Any], root: str) -> list[str]:
    """Return the modules on whose code the numbers of a configuration rest, sorted.

    Args:
        options: a configuration, or a part of it.
        root: the module that computes the numbers.
    """
    plugins = options["plugins"]
    named = [(group, options[group]["name"]) for group in groups.GROUPS if group in options]
    if "attack" in options:
        named += [("attack", m["name"]) for m in members(options["attack"], plugins).values()]
    for name in options.get("export", {}).get("formats", []):
        named.append(("format", groups.option("format", name)["name"]))
    roots = {root, *(groups.locate(group, name, plugins)[0] for group, name in named)}
    if is_net(options["init"]["from"] or ""):
        roots.add(FILES)
    return sorted(m for m in closure(roots, ("brnn", *plugins)) if not is_harmless(m))


def is_harmless(module: str) -> bool:
    """Return whether a module only shows, stores or starts, by its name or its package's."""
    return any(module == name or module.startswith(f"{name}.") for name in HARMLESS)


def closure(roots: Iterable[str], packages: tuple[str, ...]) -> set[str]:
    """Return the modules of some packages that modules import, directly or not.

    Imports inside functions count. What a harmless module imports does not.
    """
    reached: set[str] = set()
    pending = set(roots)
    while pending:
        module = pending.pop()
        reached.add(module)
        if not is_harmless(module):
            pending |= _imports(module, packages) - reached
    return reached


def _fingerprint(options: dict[str, Any], digest: str, root: str) -> str:
    numbers = {key: value for key, value in options.items() if key not in IRRELEVANT_KEYS}
    for group, keys in LOCATION_KEYS.items():
        numbers[group] = {key: v for key, v in options[group].items() if key not in keys}
    if "workers" in options["distribution"]:
        distribution = options["distribution"]
        addresses, _ = workers(distribution["workers"], distribution["index"])
        numbers["distribution"]["workers"] = len(addresses)
    if "attack" in options:
        numbers["read while running"] = attack_files(options)
    digests = {module: code.code_of(module).digest for module in numeric_modules(options, root)}
    code.save()
    versions = [importlib.metadata.version(name) for name in LIBRARIES]
    return hash_json([numbers, digest, digests, versions])


def attack_files(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that an attack reads from YAML files while it runs.

    These are the members of an ensemble, the estimators of all backward passes, and the attacks
    that `exact` is compared with.
    """
    attack, plugins = options["attack"], options["plugins"]
    attacks = members(attack, plugins)
    if attack["name"] == "exact":
        attacks |= {name: groups.option("attack", name) for name in COMPARED_WITH_EXACT}
    backward = {"identity", *(a["estimator"] for a in attacks.values() if "estimator" in a)}
    estimators = {name: groups.option("estimator", name) for name in backward - {"trained"}}
    return {"attacks": attacks, "estimators": estimators}


@cache
def _imports(module: str, packages: tuple[str, ...]) -> frozenset[str]:
    """Return the modules of some packages that a module imports anywhere in its source."""
    names = code.code_of(module).imported
    return frozenset(_as_module(name) for name in names if name.split(".")[0] in packages)


def _as_module(name: str) -> str:
    """Return a dotted name if it is a module, else the module that holds it."""
    try:
        is_module = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is not a package
        is_module = False
    return name if is_module else name.rpartition(".")[0]
