"""What a module does, as a digest of its source, and what it imports.

Parsing the modules of a run takes a second, so the results are kept in the user's cache, by source
text, for later processes.
"""

import ast
import hashlib
import importlib.util
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from brnn import paths
from brnn.config import signatures
from brnn.writing import whole

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
KEPT = 1000  # texts of modules; a checkout has about 200


class Code(NamedTuple):
    """The code of a module.

    Attributes:
        digest: of what it does, without comments, docstrings and layout.
        imported: the dotted names that it imports anywhere.
    """

    digest: str
    imported: list[str]


@cache
def code_of(module: str) -> Code:
    """Return the code of a module, as it is when this process first asks.

    Raises:
        ConfigError: there is no source of such a module.
    """
    spec = importlib.util.find_spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    package = module if is_package else module.rpartition(".")[0]
    text = signatures.source(module)
    key = _hash(f"{package}\n{text}")
    if key not in _stored():
        _parsed()[key] = _parse(text, package)
    return _stored().get(key) or _parsed()[key]


def save() -> None:
    """Keep what this process has parsed for later ones, where the cache can be written."""
    if not _parsed():
        return
    file = _file()
    newest = list((_read(file) | _parsed()).items())[-KEPT:]
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as opened:
            opened.write(json.dumps(dict(newest)).encode())
    _stored().update(_parsed())
    _parsed().clear()


@cache
def _stored() -> dict[str, Code]:
    """Return what earlier processes have parsed, by a hash of package and text."""
    return _read(_file())


@cache
def _parsed() -> dict[str, Code]:
    """Return what this process has parsed and not yet saved, for `code_of` to add to."""
    return {}


def _parse(text: str, package: str) -> Code:
    tree, names = ast.parse(text), set[str]()
    for node in ast.walk(tree):
        names.update(_imported(node, package))
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return Code(_hash(ast.unparse(tree)), sorted(names))


def _imported(node: ast.AST, package: str) -> list[str]:
    """Return the dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _file() -> Path:
    return paths.user_cache() / f"code-{_PARSER}.json"


def _read(file: Path) -> dict[str, Code]:
    """Return what a file holds; nothing where there is none, or a damaged one."""
    try:
        kept = json.loads(file.read_text())
        return {key: Code(str(digest), list(names)) for key, (digest, names) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# read as this module is imported, since its file may be edited while the process runs
_PARSER = _hash(sys.version + signatures.source(__name__))[:16]
