"""Signatures of configured functions, read from their source so that nothing is imported.

Annotations are resolved by a closed set of names; no text is evaluated.
"""

import ast
import importlib.util
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union

from brnn.config import ranges
from brnn.errors import AnnotationError, ConfigError

NAMES: dict[str, Any] = {
    **{name: value for name, value in vars(ranges).items() if typing.get_origin(value)},
    **{kind.__name__: kind for kind in (int, float, str, bool, list, dict)},
    "Any": Any,
}
READABLE = (
    "int, float, str, bool, dict, None, Any, list[…], Literal[…], X | Y, a name of"
    " brnn.config.ranges, or an alias of these in the same module"
)


@cache
def functions(module: str) -> dict[str, ast.FunctionDef]:
    """Return the public functions of a module by name, as syntax trees.

    Raises:
        ConfigError: there is no such module.
        SyntaxError: its source is not Python.
    """
    body = _body(module)
    return {n.name: n for n in body if isinstance(n, ast.FunctionDef) and n.name[0] != "_"}


@cache
def parameters(module: str, name: str) -> dict[str, Any]:
    """Return the keys that a function or a typed class states, with their types.

    The underscore after a keyword of Python, as in `from_`, is not part of a key.

    Args:
        module: dotted name; it is located, not imported.
        name: a function, whose keyword-only arguments count, or a class, whose fields count.

    Raises:
        ConfigError: an annotation cannot be read.
    """
    aliases = _aliases(module)
    fields: list[tuple[str, ast.expr | None]]
    if name in functions(module):
        fields = [(a.arg, a.annotation) for a in functions(module)[name].args.kwonlyargs]
    else:
        fields = _fields(module, name)
    result = {}
    for key, annotation in fields:
        try:
            result[key.removesuffix("_")] = _resolved(annotation, aliases)
        except AnnotationError as error:
            written = ast.unparse(annotation) if annotation else "none"
            raise ConfigError(
                f"{module}.{name}: the annotation of {key}, {written}, cannot be"
                f" read at {error}; use {READABLE}"
            ) from None
    return result


@cache
def constant(module: str, name: str, default: Any) -> Any:
    """Return the literal value that a module assigns to a name at its top, else `default`."""
    for node in _body(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return _literal(module, name, value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if (
                target == name
            ):
                return _literal(module, name, value)
    return default


def _literal(module: str, name: str, value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        raise ConfigError(
            f"{module}.{name} must be a literal, such as True, got {ast.unparse(value)}"
        ) from None


def returned(module: str, name: str) -> str:
    """Return the last name of a function's return annotation; empty where it has none."""
    return ast.unparse(functions(module)[name].returns or ast.Name("")).rpartition(".")[2]


def source(module: str) -> str:
    """Return the source text of a module.

    Raises:
        ConfigError: there is no such module in Python.
    """
    file = getattr(importlib.util.find_spec(module), "origin", None) or ""
    if not file.endswith(".py"):
        raise ConfigError(f"there is no module {module!r} in Python")
    return Path(file).read_text()


@cache
def _body(module: str) -> list[ast.stmt]:
    return ast.parse(source(module)).body


def _fields(module: str, name: str) -> list[tuple[str, ast.expr | None]]:
    (node,) = [n for n in _body(module) if isinstance(n, ast.ClassDef) and n.name == name]
    annotated = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    return [(n.target.id, n.annotation) for n in annotated if isinstance(n.target, ast.Name)]


def _aliases(module: str) -> dict[str, ast.expr]:
    """Return the annotations that assignments at the top of a module name."""
    result = {}
    for node in _body(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                result[name] = value
            case ast.ImportFrom(names=imported):
                result |= {i.asname: ast.Name(i.name) for i in imported if i.asname}
    return result


def _resolved(node: ast.expr | None, aliases: dict[str, ast.expr]) -> Any:
    match node:
        case None:
            return Any
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str() as quoted):
            return _resolved(_parsed(quoted), aliases)
        case ast.Name(id=name) if name in aliases:
            others = {key: value for key, value in aliases.items() if key != name}
            return _resolved(aliases[name], others)
        case (
            ast.Name(id=name) | ast.Attribute(value=ast.Name(id="ranges" | "typing"), attr=name)
        ) if name in NAMES:
            return NAMES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_resolved(left, aliases), _resolved(right, aliases)]  # noqa: UP007
        case ast.Subscript(
            value=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="typing"), attr=name),
            slice=inner,
        ):
            return _subscripted(name, inner, aliases, node)
    raise AnnotationError(ast.unparse(node))


def _subscripted(name: str, inner: ast.expr, aliases: dict[str, ast.expr], node: ast.expr) -> Any:
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    name = aliased.id if isinstance(aliased := aliases.get(name), ast.Name) else name
    match name:
        case "Literal" if all(isinstance(item, ast.Constant) for item in items):
            return Literal[tuple(ast.literal_eval(item) for item in items)]
        case "list" if len(items) == 1:
            return types.GenericAlias(list, (_resolved(inner, aliases),))
        case "dict":
            return dict
        case "Optional":
            return Union[_resolved(inner, aliases), None]  # noqa: UP007
        case "Union":
            return Union[tuple(_resolved(item, aliases) for item in items)]  # noqa: UP007
        case "Annotated":  # a plugin's own test would have to be run
            return _resolved(items[0], aliases)
    raise AnnotationError(ast.unparse(node))


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        raise AnnotationError(repr(text)) from None
