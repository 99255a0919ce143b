"""The commented TOML skeleton of a configuration, made from its types and the strings below their attributes."""

from __future__ import annotations

import json
import textwrap
import types
import typing
from typing import Any

import msgspec

from cosmic.sections import Section, sections

WIDTH = 100
"""Longest line of a comment, characters."""


def skeleton(model: type[msgspec.Struct], head: str = "") -> str:
    """Return the TOML of every section of `model`, every value commented out and at its default."""
    lines = [f"# {line}" if line else "#" for line in head.splitlines()]
    for section in sections(model):
        lines += _lines(section)
    return "\n".join(lines).strip("\n") + "\n"


def _lines(section: Section) -> list[str]:
    lines: list[str] = ["", f"# {section.about}", f"[{section.path}]"] if section.path else []
    for value in section.values:
        lines += [f"# {line}" for line in textwrap.wrap(value.about, WIDTH)]
        choices = _choices(value.kind)
        if choices:
            lines.append(f"# One of: {', '.join(choices)}.")
        lines.append(f"#{value.name} = {_toml(value.default, value.kind)}")
    return lines


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
