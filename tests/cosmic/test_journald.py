"""Log lines as journald gets them, on a real datagram socket in the place of its own."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.journald import JournalStream, entry, goes_to_the_journal


def decode(datagram: bytes) -> dict[str, str]:
    """Read journald's format as its documentation has it."""
    found = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, mark, value = head.partition(b"=")
        if not mark:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.bind(str(tmp_path / "journal"))
    found.settimeout(20.0)
    yield found
    found.close()


def test_every_value_is_a_field_that_can_be_filtered_by(journal: socket.socket, tmp_path: Path) -> None:
    stream = JournalStream(io.StringIO(), str(tmp_path / "journal"))
    line = {
        "event": "window",
        "level": "warning",
        "time": "now",
        "layer": 3,
        "outcome": "fallback_timeout",
        "x": None,
    }
    stream.write(json.dumps(line) + "\n")
    told = decode(journal.recv(65536))
    assert json.loads(told["MESSAGE"]) == line
    assert told["PRIORITY"] == "4"
    assert told["COSMIC_EVENT"] == "window"
    assert (told["COSMIC_LAYER"], told["COSMIC_OUTCOME"]) == ("3", "fallback_timeout")
    assert {"COSMIC_X", "COSMIC_TIME", "COSMIC_LEVEL"}.isdisjoint(told)


def test_what_journald_does_not_take_goes_to_the_stream(tmp_path: Path) -> None:
    plain = io.StringIO()
    JournalStream(plain, str(tmp_path / "nobody")).write('{"event": "window"}\n')
    assert plain.getvalue() == '{"event": "window"}\n'


def test_a_line_too_long_for_a_datagram_goes_to_the_stream(journal: socket.socket, tmp_path: Path) -> None:
    plain = io.StringIO()
    line = json.dumps({"event": "layer", "order": list(range(400_000))}) + "\n"
    JournalStream(plain, str(tmp_path / "journal")).write(line)
    assert plain.getvalue() == line


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300) | st.integers() | st.booleans() | st.none()))
def test_no_line_can_forge_a_field(values: dict[str, object]) -> None:
    told = decode(entry(json.dumps(values) + "\n", "cosmic-agent"))
    assert told["SYSLOG_IDENTIFIER"] == "cosmic-agent"
    assert json.loads(told["MESSAGE"]) == values
    assert all(name in ("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER") or name.startswith("COSMIC_") for name in told)


def test_only_the_stream_that_systemd_names_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        known = os.fstat(stream.fileno())
        assert goes_to_the_journal(stream, {"JOURNAL_STREAM": f"{known.st_dev}:{known.st_ino}"})
        assert not goes_to_the_journal(stream, {"JOURNAL_STREAM": f"{known.st_dev}:{known.st_ino + 1}"})
        assert not goes_to_the_journal(stream, {})
    assert not goes_to_the_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_a_service_under_systemd_logs_to_the_journal(journal: socket.socket, tmp_path: Path) -> None:
    program = (
        "import sys, cosmic.journald as j; j.JournalStream.__init__.__defaults__ = (sys.argv[1],)\n"
        "from cosmic import logs; import structlog; logs.configure(level='info')\n"
        "structlog.get_logger().error('printer_fault', cause='oxygen')"
    )
    with (tmp_path / "stdout").open("w") as stdout:
        known = os.fstat(stdout.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{known.st_dev}:{known.st_ino}"}
        words = [sys.executable, "-c", program, str(tmp_path / "journal")]
        subprocess.run(words, stdout=stdout, env=environment, check=True)
    told = decode(journal.recv(65536))
    assert (told["COSMIC_EVENT"], told["COSMIC_CAUSE"], told["PRIORITY"]) == ("printer_fault", "oxygen", "3")
    assert (tmp_path / "stdout").read_text() == ""
