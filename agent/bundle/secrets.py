"""Keeps secrets out of texts: those that the configuration's files hold, and whatever looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

SECRET_BYTES_MAX = 4096
"""Of a file with a secret, read to find it elsewhere."""
SHORTEST = 4
"""Shorter texts are no secrets: taking them out would make everything unreadable."""
HIDDEN = "***"

_SECRET_FILES = ("token_file", "password_file", "key_file")
_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)(\w+://[^\s/:@]*:)[^\s/@]+(?=@)"),
    re.compile(r"(?i)((?:password|passwd|secret|token)[\"']?\s*[:=]\s*[\"']?)(?!\s)[^\s\"',}]+"),
)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|\Z)", re.DOTALL)
_FILE_SETTING = re.compile(r"(?i)(?:token|password|key)_file\b")


class Scrubber:
    """Takes the secrets of `settings` out of texts."""

    def __init__(self, settings: msgspec.Struct) -> None:
        self._known = sorted(set(_secrets(settings)), key=len, reverse=True)

    def scrub(self, text: str) -> str:
        """Return `text` without secrets: known ones anywhere, others by what stands before them."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        text = _PRIVATE_KEY.sub(rf"\g<1>{HIDDEN}\g<2>", text)
        return "\n".join(self._scrub_line(line) for line in text.split("\n"))

    def _scrub_line(self, line: str) -> str:
        if _FILE_SETTING.search(line):  # names the file that holds a secret: the path is no secret
            return line
        for pattern in _PATTERNS:
            line = pattern.sub(rf"\g<1>{HIDDEN}", line)
        return line


def _secrets(section: msgspec.Struct) -> Iterator[str]:
    """Yield what stands in the files that hold secrets."""
    for field in msgspec.structs.fields(type(section)):
        value = getattr(section, field.name)
        if isinstance(value, msgspec.Struct):
            yield from _secrets(value)
        elif field.name in _SECRET_FILES and isinstance(value, str) and value:
            yield from _lines(Path(value))


def _lines(file: Path) -> Iterator[str]:
    try:
        text = file.read_bytes()[:SECRET_BYTES_MAX].decode(errors="replace")
    except OSError:  # a file that cannot be read puts nothing into the archive either
        return
    for line in text.splitlines():
        if len(line.strip()) >= SHORTEST and not line.startswith("-----"):
            yield line.strip()
