"""Log lines for journald, every value of a line a field that `journalctl` can filter by.

`journalctl COSMIC_EVENT=window COSMIC_OUTCOME=fallback_timeout` then finds what an operator asks for. The line
itself stays the message. Source: systemd.journal-fields(7), the native protocol of systemd-journald, and
JOURNAL_STREAM in systemd.exec(5).
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import msgspec

from cosmic.undecodable import UNDECODABLE

SOCKET = "/run/systemd/journal/socket"
PREFIX = "COSMIC_"
VALUE_CHARACTERS_MAX = 256
"""Longer texts stand in the message alone: fields are indexed."""

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Levels as syslog(3) counts them."""
_NO_FIELD_NAME = re.compile(r"[^A-Z0-9_]")


def goes_to_the_journal(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether `stream` is connected to journald, as systemd says in JOURNAL_STREAM (`device:inode`)."""
    told = (os.environ if environment is None else environment).get("JOURNAL_STREAM", "")
    try:
        known = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return told == f"{known.st_dev}:{known.st_ino}"


class JournalStream:
    """A text stream whose lines of JSON become journal entries; what cannot be sent goes to `stream` as it is."""

    def __init__(self, stream: TextIO, address: str = SOCKET) -> None:
        """Prepare. `stream`: what systemd connected; `address`: journald's socket."""
        self._stream = stream
        self._address = address
        self._identifier = Path(sys.argv[0]).name or "cosmic"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def write(self, line: str) -> int:
        """Send one line. May wait for journald: called by the thread that writes logs."""
        try:
            self._socket.sendto(entry(line, self._identifier), self._address)
        except OSError:  # too long for a datagram, or journald is being started anew: its stream takes it
            self._stream.write(line)
        return len(line)

    def flush(self) -> None:
        """Hand on what went to the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return False: nobody reads this directly."""
        return False


def entry(line: str, identifier: str) -> bytes:
    """Return the journal entry of a line: its fields, one a line, in journald's own format."""
    message = line.rstrip("\n")
    try:
        values = msgspec.json.decode(message.encode(), type=dict[str, object])
    except UNDECODABLE:
        values = {}
    priority = _PRIORITIES.get(str(values.get("level", "")), 6)
    fields = [
        ("MESSAGE", message),
        ("PRIORITY", str(priority)),
        ("SYSLOG_IDENTIFIER", identifier),
        *_fields(values),
    ]
    return b"".join(_coded(name, value) for name, value in fields)


def _fields(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, str | int | float) and key not in ("level", "time"):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text and len(text) <= VALUE_CHARACTERS_MAX:
                yield PREFIX + _NO_FIELD_NAME.sub("_", key.upper()), text


def _coded(name: str, value: str) -> bytes:
    """Return a field: `NAME=value`, or with the value's length before it where it holds a line's end."""
    content = value.encode(errors="replace")
    if b"\n" in content:
        return name.encode() + b"\n" + len(content).to_bytes(8, "little") + content + b"\n"
    return name.encode() + b"=" + content + b"\n"
