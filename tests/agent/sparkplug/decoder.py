"""Reads Sparkplug payloads with Google's own C++ decoder, which knows nothing of this project's schema.

`protoc --decode_raw` gives field numbers; the names are those of the specification's chapter 6, written down here
from the specification and not from the code under test.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from typing import Any

PAYLOAD = {1: "timestamp", 2: "metrics", 3: "seq"}
METRIC = {
    1: "name",
    2: "alias",
    3: "timestamp",
    4: "datatype",
    7: "is_null",
    9: "properties",
    10: "int",
    11: "long",
    13: "double",
    14: "boolean",
    15: "string",
}
PROPERTIES = {1: "keys", 2: "values"}
PROPERTY = {1: "type", 8: "string"}
TABLES: dict[str, dict[int, str]] = {"": PAYLOAD, "metrics": METRIC, "properties": PROPERTIES, "values": PROPERTY}
REPEATED = {"metrics", "keys", "values"}
BLOCK = re.compile(r"^(\d+) \{$")
SCALAR = re.compile(r"^(\d+): (.*)$")


def available() -> bool:
    return shutil.which("protoc") is not None


def decode(payload: bytes) -> dict[str, Any]:
    """Return the payload's fields by name; `metrics` is a list of such."""
    done = subprocess.run(["protoc", "--decode_raw"], input=payload, capture_output=True, check=True)
    lines = iter(done.stdout.decode("latin-1").splitlines())
    return _message(lines, "")


def _message(lines: Any, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for raw in lines:
        line = raw.strip()
        if line == "}":
            break
        block, scalar = BLOCK.match(line), SCALAR.match(line)
        name = TABLES[kind][int((block or scalar).group(1))]  # type: ignore[union-attr]
        value = _message(lines, name) if block else _value(name, scalar.group(2))  # type: ignore[union-attr]
        if name in REPEATED:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _value(name: str, text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    number = int(text, 0)
    if name == "double":
        return struct.unpack("<d", number.to_bytes(8, "little"))[0]
    return bool(number) if name in ("is_null", "boolean") else number


def by_name(payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a birth's metrics by their names."""
    return {metric["name"]: metric for metric in payload["metrics"]}
