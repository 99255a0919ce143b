"""What a failed connection means to the operator: cause, remedy, and whether asking again soon helps."""

from __future__ import annotations

import socket
import ssl

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus, InvalidURI
from websockets.frames import Close
from websockets.http11 import Response

from agent.uplink.refusals import refusal_of
from cosmic.errors import EngineError, RefusedError, RemoteProtocolError


def answered(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers(), b"because"))


@pytest.mark.parametrize(
    ("error", "code", "fatal"),
    [
        (answered(400), "unknown_version", True),
        (answered(401), "unauthorized", True),
        (answered(404), "unknown_path", True),
        (answered(503), "busy", False),
        (answered(500), "refused", False),
        (InvalidURI("http//", "no scheme"), "bad_url", True),
        (ssl.SSLCertVerificationError("expired"), "certificate", True),
        (RemoteProtocolError("odd", code="bad_message"), "bad_message", False),
        (EngineError("odd"), "local", False),
        (RefusedError("no", code="busy", fatal=False), "busy", False),
        (ConnectionClosedError(Close(1001, "going away"), None), "lost", False),
        (ConnectionClosedError(None, None), "lost", False),
        (TimeoutError(), "timeout", False),
        (ConnectionRefusedError(111, "refused"), "unreachable", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_failure_has_its_cause(error: BaseException, code: str, fatal: bool) -> None:
    refusal = refusal_of(error)
    assert (refusal.code, refusal.fatal) == (code, fatal)
    assert refusal.what
    assert refusal.remedy or not fatal, "what only a person can change comes with what to do"


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 8470)"), "nobody listens there"),
        (socket.gaierror(-2, "Name or service not known"), "the name is not known (Name or service not known)"),
        (OSError(113, "Connect call failed ('10.0.0.1', 8470)"), "No route to host"),
        (OSError("odd"), "odd"),
    ],
)
def test_a_coordinator_that_cannot_be_reached_is_said_in_the_words_of_people(error: OSError, what: str) -> None:
    assert refusal_of(error).what == f"cannot connect: {what}"


def test_a_coordinator_that_is_silent_is_called_so() -> None:
    silent = ConnectionClosedError(None, Close(1011, "keepalive ping timeout"))
    assert "silent" in refusal_of(silent).what
