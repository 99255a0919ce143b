"""Messages to and from the bytes of one binary WebSocket frame: a msgpack map with a `type` field."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from cosmic.errors import RemoteProtocolError
from cosmic.undecodable import UNDECODABLE
from protocol.messages import AgentMessage, CoordinatorMessage, Message

CLOSE_PROTOCOL_ERROR = 1002
CLOSE_INVALID_DATA = 1007
CLOSE_POLICY_VIOLATION = 1008
CLOSE_MESSAGE_TOO_BIG = 1009

_encoder = msgspec.msgpack.Encoder()
_agent_decoder: msgspec.msgpack.Decoder[AgentMessage] = msgspec.msgpack.Decoder(AgentMessage)
_coordinator_decoder: msgspec.msgpack.Decoder[CoordinatorMessage] = msgspec.msgpack.Decoder(CoordinatorMessage)
_AnyMessage = TypeVar("_AnyMessage")


def encode(message: Message) -> bytes:
    """Return the frame of `message`."""
    return _encoder.encode(message)


def decode_agent_message(frame: bytes | str, bytes_max: int) -> AgentMessage:
    """Return the agent's message in `frame`.

    Raises RemoteProtocolError with the WebSocket close code that fits: 1002 for a text frame, 1007 for what is
    not msgpack, 1008 for an unknown type or a value out of range, 1009 for more than `bytes_max` bytes.
    """
    return _decode(_agent_decoder, frame, bytes_max)


def decode_coordinator_message(frame: bytes | str, bytes_max: int) -> CoordinatorMessage:
    """Return the coordinator's message in `frame`; errors as `decode_agent_message`."""
    return _decode(_coordinator_decoder, frame, bytes_max)


def _decode(decoder: msgspec.msgpack.Decoder[_AnyMessage], frame: bytes | str, bytes_max: int) -> _AnyMessage:
    if isinstance(frame, str):
        raise RemoteProtocolError(
            "a text frame came",
            why="every message is one binary frame",
            remedy="send msgpack in binary frames",
        )
    if len(frame) > bytes_max:
        raise RemoteProtocolError(
            f"a message of {len(frame)} bytes came",
            why=f"the limit is {bytes_max} bytes",
            remedy="raise the receiver's message limit, or send a coarser map",
            code="limit",
            close_code=CLOSE_MESSAGE_TOO_BIG,
        )
    try:
        return decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(
            f"a message with a bad value came: {error}",
            why="protocol.md, version 1",
            remedy="check that both sides run compatible versions",
            close_code=CLOSE_POLICY_VIOLATION,
        ) from error
    except UNDECODABLE as error:
        raise RemoteProtocolError(
            f"a message that cannot be decoded came ({len(frame)} bytes): {error}",
            why="every message is one msgpack map",
            remedy="check what sits between agent and coordinator",
            close_code=CLOSE_INVALID_DATA,
        ) from error
