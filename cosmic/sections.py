"""A configuration as a reader sees it: its sections in order, their values, what each means and what it is unset.

What is written from a configuration's types (the skeleton, the reference page, the schema for editors) is written
from this one walk.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Value:
    """A setting: its `name`, its type `kind`, its `default`, and `about`, what it means and in which unit."""

    name: str
    kind: Any
    default: Any
    about: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its dotted `path` (empty at the top), its class `model`, what it is `about`, its own `values`."""

    path: str
    model: type[msgspec.Struct]
    about: str
    values: tuple[Value, ...]


def sections(model: type[msgspec.Struct], path: str = "") -> Iterator[Section]:
    """Yield `model` itself, then every section below it, depth first, in the order of their declaration."""
    told = attribute_docs(model)
    values = []
    below: list[tuple[type[msgspec.Struct], str]] = []
    for field in msgspec.structs.fields(model):
        kind = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            below.append((kind, f"{path}.{field.encode_name}" if path else field.encode_name))
            continue
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        values.append(Value(field.encode_name, kind, default, told.get(field.name, "")))
    yield Section(path, model, first_line(model), tuple(values))
    for kind, where in below:
        yield from sections(kind, where)


def first_line(model: type[msgspec.Struct]) -> str:
    """Return the first line of a class's docstring."""
    return inspect.cleandoc(model.__doc__ or "").partition("\n")[0]


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
