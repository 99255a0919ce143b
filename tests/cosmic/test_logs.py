"""Logs: whoever logs never waits, and a line that had to be dropped is counted."""

from __future__ import annotations

import io
import json
import threading

import pytest
import structlog

from cosmic import logs


@pytest.fixture(autouse=True)
def _default_logs() -> object:
    yield
    structlog.reset_defaults()


class SlowStream(io.StringIO):
    """Writes nothing before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.flushed = threading.Event()

    def write(self, text: str) -> int:
        self.let.wait(10)
        return super().write(text)

    def flush(self) -> None:
        self.flushed.set()


def test_lines_are_json_with_event_level_and_time() -> None:
    stream = SlowStream()
    stream.let.set()
    logs.configure(stream, pretty=False)
    structlog.get_logger().warning("window", slack_ms=1.5)
    assert stream.flushed.wait(10)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["slack_ms"]) == ("window", "warning", 1.5)
    assert line["time"].endswith("Z")


def test_a_reader_that_stands_still_holds_nobody_up_and_dropped_lines_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "LINES_MAX", 10)
    stream = SlowStream()
    logs.configure(stream, pretty=False)
    for number in range(100):
        structlog.get_logger().info("window", number=number)
    stream.let.set()
    assert stream.flushed.wait(10)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (dropped,) = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert dropped["count"] + len(lines) - 1 == 100


def test_below_the_level_nothing_is_written() -> None:
    stream = SlowStream()
    stream.let.set()
    logs.configure(stream, pretty=True, level="error")
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert stream.flushed.wait(10)
    assert "loud" in stream.getvalue()
    assert "quiet" not in stream.getvalue()


def test_who_listens_is_told_every_line_and_cannot_hurt_it() -> None:
    stream = SlowStream()
    stream.let.set()
    logs.configure(stream, pretty=False)
    heard: list[tuple[str, str, dict[str, object]]] = []

    def broken(_level: str, _event: str, _fields: object) -> None:
        raise RuntimeError("a bystander's bug")

    with (
        logs.listening(broken),
        logs.listening(lambda level, event, fields: heard.append((level, event, dict(fields)))),
    ):
        structlog.get_logger().warning("no_frame", layer=3)
    structlog.get_logger().warning("later")
    assert heard == [("warning", "no_frame", {"layer": 3})]
    assert stream.flushed.wait(10)
    assert json.loads(stream.getvalue().splitlines()[0])["layer"] == 3
