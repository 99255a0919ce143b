"""The commented TOML skeleton of a configuration, made from its types and the strings below their attributes."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
import typing
from typing import Any

import msgspec

WIDTH = 100
"""Longest line of a comment, characters."""


def skeleton(model: type[msgspec.Struct], head: str = "") -> str:
    """Return the TOML of every section of `model`, every value commented out and at its default."""
    lines = [f"# {line}" if line else "#" for line in head.splitlines()]
    lines += _sections(model, "")
    return "\n".join(lines).strip("\n") + "\n"


def _sections(model: type[msgspec.Struct], path: str) -> list[str]:
    lines: list[str] = []
    below: list[str] = []
    told = attribute_docs(model)
    for field in msgspec.structs.fields(model):
        kind = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            below += _sections(kind, f"{path}.{field.encode_name}" if path else field.encode_name)
            continue
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        lines += [f"# {line}" for line in textwrap.wrap(told.get(field.name, ""), WIDTH)]
        choices = _choices(kind)
        if choices:
            lines.append(f"# One of: {', '.join(choices)}.")
        lines.append(f"#{field.encode_name} = {_toml(default, kind)}")
    if not path:
        return lines + below
    summary = inspect.cleandoc(model.__doc__ or "").splitlines()[0]
    return ["", f"# {summary}", f"[{path}]", *lines, *below]


def _choices(kind: Any) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        return [json.dumps(value) for value in typing.get_args(kind)]
    return []


def _toml(default: Any, kind: Any) -> str:
    """Return a default in TOML; a value that is unset by default shows its type's emptiest value."""
    if default is not None:
        return json.dumps(default, ensure_ascii=False)
    arguments = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    plain = [typing.get_args(one)[0] if typing.get_origin(one) is typing.Annotated else one for one in arguments]
    examples = {str: '""', bool: "false", int: "1", float: "1.0"}
    return next((examples[one] for one in plain if one in examples), '""') + "  # unset"


def attribute_docs(model: type[msgspec.Struct]) -> dict[str, str]:
    """Return the strings that stand below the attributes of a class in its source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
        ):
            assert isinstance(after.value, ast.Constant)
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found
