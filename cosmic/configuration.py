"""Typed configuration from a TOML file and the environment: unknown keys and bad values are errors with a remedy.

A configuration is a msgspec Struct of sections, each a Struct with defaults. The environment overrides the file:
`COSMIC_UPLINK__URL` sets `url` of section `uplink`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cosmic.errors import ConfigurationError
from cosmic.undecodable import UNDECODABLE

_Model = TypeVar("_Model", bound=msgspec.Struct)


def load(
    model: type[_Model],
    path: Path | None,
    *,
    prefix: str = "COSMIC",
    environment: Mapping[str, str] | None = None,
) -> _Model:
    """Return the configuration `model` of the file at `path` (None: defaults alone) and the environment.

    Raises ConfigurationError naming the file or variable, the path of the bad value and the nearest known key.
    """
    values = _read(path) if path is not None else {}
    _check_keys(model, values, "", str(path))
    environment = os.environ if environment is None else environment
    overridden = _overriding(prefix, environment)
    for name, keys in overridden.items():
        _override(model, values, name, keys, environment[name])
    where = str(path) if path is not None else "configuration"
    return _convert(values, model, ", ".join([where, *overridden]))


@dataclass(frozen=True, slots=True)
class Effective:
    """A value as it is in force: `key` is its path (`uplink.url`), `source` where it came from."""

    key: str
    value: Any
    source: str


def load_with_sources(
    model: type[_Model],
    path: Path | None,
    *,
    prefix: str = "COSMIC",
    environment: Mapping[str, str] | None = None,
) -> tuple[_Model, list[Effective]]:
    """Return what `load` returns, and every value with its source: `default`, the file, or the variable's name.

    Raises ConfigurationError as `load` does.
    """
    environment = os.environ if environment is None else environment
    loaded = load(model, path, prefix=prefix, environment=environment)
    variables = {tuple(keys): name for name, keys in _overriding(prefix, environment).items()}
    in_file = _read(path) if path is not None else {}
    return loaded, list(_effective(loaded, (), in_file, str(path), variables))


def values_of(loaded: msgspec.Struct) -> Iterator[Effective]:
    """Yield every value of a configuration by its key, without where it came from."""
    return _effective(loaded, (), {}, "", {})


def _effective(
    section: msgspec.Struct,
    keys: tuple[str, ...],
    in_file: Mapping[str, Any],
    file: str,
    variables: Mapping[tuple[str, ...], str],
) -> Iterator[Effective]:
    for field in msgspec.structs.fields(type(section)):
        path = (*keys, field.encode_name)
        value = getattr(section, field.name)
        given = in_file.get(field.encode_name)
        if isinstance(value, msgspec.Struct):
            yield from _effective(value, path, given if isinstance(given, dict) else {}, file, variables)
            continue
        source = file if field.encode_name in in_file else "default"
        # A variable may name the value itself or, as JSON, a section that holds it.
        named = [variables[path[:depth]] for depth in range(len(path), 0, -1) if path[:depth] in variables]
        yield Effective(".".join(path), value, named[0] if named else source)


def _overriding(prefix: str, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the variables that override a value, by name, with the keys that they name."""
    return {
        name: name[len(prefix) + 1 :].lower().split("__")
        for name in sorted(environment)
        if name.startswith(f"{prefix}_") and "__" in name[len(prefix) + 1 :]
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="check the path and the permissions"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"is not TOML: {error}", where=str(path), remedy="mend that line") from error


def _convert(values: dict[str, Any], model: type[_Model], where: str) -> _Model:
    try:
        return msgspec.convert(values, model)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        key = at.rstrip("`").lstrip(".")
        raise ConfigurationError(
            f"{key}: {what}" if key else what, where=where, remedy="set it to such a value"
        ) from error


def _fields(model: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(model)}


def _section(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct that a field holds, also where the field may be None, or None for a plain value."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _check_keys(model: type[msgspec.Struct], values: Mapping[str, Any], path: str, where: str) -> None:
    known = _fields(model)
    for key, value in values.items():
        if key not in known:
            raise _unknown_key(f"{path}{key}", key, known, where)
        section = _section(known[key])
        if section is not None and isinstance(value, dict):
            _check_keys(section, value, f"{path}{key}.", where)


def _unknown_key(name: str, key: str, known: Mapping[str, Any], where: str) -> ConfigurationError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return ConfigurationError(
        f"unknown key {name}",
        where=where,
        why=f"known here: {', '.join(known)}",
        remedy=f"did you mean {near[0]}?" if near else "remove it",
    )


def _override(model: type[msgspec.Struct], values: dict[str, Any], name: str, keys: list[str], text: str) -> None:
    kind: Any = model
    for depth, key in enumerate(keys):
        section = _section(kind)
        if section is None:
            raise ConfigurationError(
                f"{'.'.join(keys[:depth])} has no keys of its own", where=name, remedy="remove the variable"
            )
        known = _fields(section)
        if key not in known:
            raise _unknown_key(".".join(keys[: depth + 1]), key, known, name)
        if depth < len(keys) - 1:
            values = values.setdefault(key, {})
        kind = known[key]
    try:
        parsed = msgspec.json.decode(text) if text.startswith(("[", "{")) else text
        values[keys[-1]] = msgspec.to_builtins(msgspec.convert(parsed, kind, strict=False))
    except UNDECODABLE as error:
        raise ConfigurationError(
            f"{'.'.join(keys)}: {error}", where=name, remedy="set it to such a value"
        ) from error
