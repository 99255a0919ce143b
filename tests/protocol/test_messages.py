"""Messages on the wire: what is encoded comes back, and what must not come is named with its close code."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.errors import RemoteProtocolError
from protocol.codec import decode_agent_message, decode_coordinator_message, encode
from protocol.messages import (
    Array,
    CloseJob,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    JobReady,
    Message,
    OpenJob,
    Printed,
    Progress,
    Spreading,
    StartLayer,
    Warm,
    tag_of,
)

BYTES_MAX = 1 << 20
DIGEST = "ab" * 32
MAP = Array.of(np.array([293.0, 400.0, 1674.0], dtype=np.float32))

AGENT_MESSAGES = [
    OpenJob(job="j", part=DIGEST, printer="p", lookahead=None, rule="input"),
    Spreading(layer=1, seconds=15.0),
    StartLayer(layer=1, epoch=0, map=MAP),
    StartLayer(layer=1, epoch=2, map=MAP, printed=[2, 0]),
    Printed(layer=1, epoch=0, window=0, cell=2, source="coordinator"),
    Deviated(layer=1, epoch=1, printed=[2, 0]),
    EndLayer(layer=1, windows=3, fallbacks=1),
    CloseJob(job="j", reason="printed"),
]
COORDINATOR_MESSAGES = [
    JobReady(job="j", cells=3, elements=9, engine="inline"),
    Progress(job="j", done=1, total=4, what="blocks"),
    Decisions(layer=1, epoch=0, first_window=0, cells=[2, 0], compute_ms=[0.5, 1.0], uniformity=[0.0, None]),
    Warm(layer=1, workers=4, cold=1, reloaded=1),
    Failed(code="bad_map", message="element 3 is nan K", layer=1),
]


@pytest.mark.parametrize("message", AGENT_MESSAGES, ids=tag_of)
def test_an_agents_message_comes_back_as_it_was(message: Message) -> None:
    assert decode_agent_message(encode(message), BYTES_MAX) == message


@pytest.mark.parametrize("message", COORDINATOR_MESSAGES, ids=tag_of)
def test_a_coordinators_message_comes_back_as_it_was(message: Message) -> None:
    assert decode_coordinator_message(encode(message), BYTES_MAX) == message


@pytest.mark.parametrize("message", [*AGENT_MESSAGES, *COORDINATOR_MESSAGES], ids=tag_of)
def test_every_message_is_a_map_with_its_type(message: Message) -> None:
    assert msgspec.msgpack.decode(encode(message))["type"] == tag_of(message)


def test_unknown_fields_are_ignored() -> None:
    fields = {**msgspec.msgpack.decode(encode(AGENT_MESSAGES[1])), "colour": "blue"}
    assert decode_agent_message(msgspec.msgpack.encode(fields), BYTES_MAX) == AGENT_MESSAGES[1]


@given(st.lists(st.floats(0.0, 5000.0, width=32), max_size=50))
def test_a_map_comes_back_bit_for_bit(values: list[float]) -> None:
    map_K = np.array(values, dtype=np.float32)
    array = Array.of(map_K)
    assert array.shape == [len(values)]
    assert array.to_numpy().tobytes() == map_K.tobytes()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.5, 5000.5])
def test_a_map_with_an_impossible_element_is_refused_by_its_place(wrong: float) -> None:
    with pytest.raises(RemoteProtocolError, match="element 1 of the map") as caught:
        Array.of(np.array([293.0, wrong, wrong])).to_numpy()
    assert caught.value.code == "bad_map"


def test_a_map_shorter_than_its_shape_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="16 bytes"):
        Array(dtype="<f4", shape=[4], data=b"0123").to_numpy()


@pytest.mark.parametrize(
    ("frame", "close_code", "code"),
    [
        ("text", 1002, "bad_message"),
        (b"", 1007, "bad_message"),
        (encode(AGENT_MESSAGES[2])[:-3], 1007, "bad_message"),
        (b"\xc1\xff", 1007, "bad_message"),
        (b"\x93\x01\x02\x03", 1008, "bad_message"),
        (msgspec.msgpack.encode({"layer": 1}), 1008, "bad_message"),
        (msgspec.msgpack.encode({"type": "dance"}), 1008, "bad_message"),
        (msgspec.msgpack.encode({"type": "spreading", "layer": -1, "seconds": 1.0}), 1008, "bad_message"),
        (msgspec.msgpack.encode({"type": "spreading", "layer": 1, "seconds": float("nan")}), 1008, "bad_message"),
        (msgspec.msgpack.encode({"type": "deviated", "layer": 1, "epoch": 1, "printed": []}), 1008, "bad_message"),
        (b"\x91" * 100_000, 1008, "bad_message"),
        (b"\x82\xa4type\xa9spreading\xa1x" + b"\x91" * 100_000 + b"\x01", 1007, "bad_message"),
        (bytes(BYTES_MAX + 1), 1009, "limit"),
    ],
    ids=[
        "text",
        "empty",
        "truncated",
        "garbage",
        "list",
        "untyped",
        "unknown",
        "negative",
        "nan",
        "none",
        "deep",
        "deep field",
        "big",
    ],
)
def test_what_is_no_message_is_named_and_closed_as_rfc_6455_says(
    frame: bytes | str, close_code: int, code: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_agent_message(frame, BYTES_MAX)
    assert (caught.value.close_code, caught.value.code) == (close_code, code)
    assert caught.value.remedy


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_protocol_error(frame: bytes) -> None:
    for decode in (decode_agent_message, decode_coordinator_message):
        try:
            decode(frame, BYTES_MAX)
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize("more", [{"compute_ms": [1.0]}, {"uniformity": [0.1]}])
def test_decisions_with_lists_of_unequal_length_are_refused(more: dict[str, list[float]]) -> None:
    fields = {
        "type": "decisions",
        "layer": 0,
        "epoch": 0,
        "first_window": 0,
        "cells": [1, 2],
        "compute_ms": [1.0, 1.0],
        **more,
    }
    with pytest.raises(RemoteProtocolError, match="as long as") as caught:
        decode_coordinator_message(msgspec.msgpack.encode(fields), BYTES_MAX)
    assert caught.value.close_code == 1008
