"""Process settings as a user gives them: a TOML file, and single values on top."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cosmic.configuration import load
from cosmic.errors import ProcessError
from thermal.process import Process


def read_process(path: Path | None = None, changes: Sequence[str] = ()) -> Process:
    """Return the process of a file, or the defaults, with single values changed.

    Args:
        path: TOML with fields of `Process`; None: the defaults.
        changes: `key=value` each, such as `power_W=280`.

    Raises:
        ConfigurationError: the file cannot be read, or has an unknown key or a value of another type.
        ProcessError: a value is not physical, or a change is not a known key and a number.
    """
    process = load(Process, path, environment={})
    values: dict[str, float] = {}
    for change in changes:
        key, _, text = change.partition("=")
        key = key.strip()
        if key not in Process.__struct_fields__:
            near = difflib.get_close_matches(key, Process.__struct_fields__, n=1, cutoff=0.0)
            raise ProcessError(f"unknown key '{key}'", where="process", remedy=f"did you mean {near[0]}?")
        try:
            values[key] = float(text)
        except ValueError:
            raise ProcessError(
                f"{key} = '{text}' is not a number", where="process", remedy=f"write {key}=NUMBER"
            ) from None
    return msgspec.structs.replace(process, **values)
