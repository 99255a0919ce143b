"""The lines of the socket protocol: what is a line, what is none, and the machine's clock."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.driver.socket import lines
from agent.driver.socket.clock import DRIFT, MachineClock


@given(st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b""))), st.data())
def test_lines_come_out_whole_however_they_arrive(wanted: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in wanted)
    splitter, found, place = lines.Splitter(64), [], 0
    while place < len(stream):
        size = data.draw(st.integers(1, len(stream) - place))
        found += splitter.feed(stream[place : place + size])
        place += size
    assert found == [line for line in wanted if line.strip()]


@pytest.mark.parametrize("sent", [b"x" * 65, b"x" * 65 + b"\n", b"{}\n" + b"x" * 65])
def test_a_line_that_is_too_long_is_refused_before_it_ends(sent: bytes) -> None:
    with pytest.raises(lines.LineError, match="more than 64 bytes"):
        lines.Splitter(64).feed(sent)


@pytest.mark.parametrize(
    "line",
    [
        b"scan me",
        b"[]",
        b"{}",
        b'{"event":"reboot"}',
        b'{"event":"spreading","layer":-1,"seconds":1}',
        b'{"event":"spreading","layer":0,"seconds":"1"}',
        b'{"event":"cell_started","layer":0,"window":0}',
        b'{"event":"fault","text":"\xff"}',
    ],
)
def test_what_is_no_line_is_named(line: bytes) -> None:
    with pytest.raises(lines.LineError) as refused:
        lines.decode(line)
    assert refused.value.code == "bad_line"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(line: bytes) -> None:
    with contextlib.suppress(lines.LineError):
        assert isinstance(lines.decode(line), lines.Event)


def test_unknown_fields_are_ignored() -> None:
    found = lines.decode(b'{"event":"job","layers":3,"operator":"someone"}')
    assert found == lines.Job(layers=3)


@given(
    between_s=st.floats(-1e6, 1e6),
    delays_s=st.lists(st.floats(0.0, 0.5), min_size=1, max_size=20),
    drift=st.floats(-DRIFT / 2, DRIFT / 2),
)
def test_a_machines_time_is_never_mapped_after_its_line_and_at_most_the_delay_before(
    between_s: float, delays_s: list[float], drift: float
) -> None:
    clock, least_s = MachineClock(), float("inf")
    for place, delay_s in enumerate(delays_s):
        true_s = 0.04 * place
        arrived_s = true_s + delay_s
        least_s = min(least_s, delay_s)
        mapped_s = clock.loop_time_s(between_s + true_s * (1 + drift), arrived_s)
        assert mapped_s <= arrived_s + 1e-6
        assert mapped_s >= true_s - 1e-3, "no earlier than it happened, but for drift"
        assert mapped_s <= true_s + least_s + 1e-3, "as near as the quickest line so far"


def test_without_a_time_it_is_the_arrival() -> None:
    assert MachineClock().loop_time_s(None, 12.5) == 12.5
