"""What a failed connection means: from the exception to cause, remedy and whether to hurry. Pure."""

from __future__ import annotations

import os
import socket
import ssl

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from cosmic.errors import CosmicError, RefusedError, RemoteProtocolError
from protocol.messages import Failed

_STATUS: dict[int, tuple[str, bool, str]] = {
    400: ("unknown_version", True, "update the agent or the coordinator: they speak different versions"),
    401: ("unauthorized", True, "make a token with 'cosmic-cloud token add' and put it into uplink.token_file"),
    404: ("unknown_path", True, "check uplink.url: the path is /v1/agent"),
    503: ("busy", False, "the coordinator has too many connections: wait, or raise its limits"),
}
_FATAL_CODES = frozenset({"unknown_part", "unknown_job"})
_REMEDIES = {
    "unknown_part": "put the part's folder into the coordinator's parts directory",
    "unknown_job": "use the token of this printer",
    "busy": "wait: the coordinator serves as many jobs as it can",
}


def refusal_of(error: BaseException) -> RefusedError:
    """Return what `error` of a connection attempt or a connection means to the operator."""
    match error:
        case RefusedError():
            return error
        case InvalidStatus():
            status = error.response.status_code
            body = (error.response.body or b"").decode(errors="replace").strip()[:200]
            code, fatal, remedy = _STATUS.get(
                status, ("refused", False, "check what answers at uplink.url, and its log")
            )
            return RefusedError(f"HTTP {status} {body}".strip(), code=code, fatal=fatal, remedy=remedy)
        case InvalidURI():
            return RefusedError(
                str(error), code="bad_url", fatal=True, remedy="set uplink.url to ws://... or wss://..."
            )
        case ssl.SSLCertVerificationError():
            return RefusedError(
                f"the coordinator's certificate is not trusted: {error}",
                code="certificate",
                fatal=True,
                remedy="set uplink.ca_file, or have the certificate renewed",
            )
        case RemoteProtocolError():
            return RefusedError(error.what, code=error.code, fatal=False, why=error.why, remedy=error.remedy)
        case CosmicError():
            return RefusedError(error.what, code="local", fatal=False, why=error.why, remedy=error.remedy)
        case ConnectionClosed():
            return RefusedError(_how_closed(error), code="lost", fatal=False)
        case TimeoutError():
            return RefusedError("no answer in time", code="timeout", fatal=False)
        case InvalidHandshake():
            return RefusedError(f"handshake failed: {error}", code="handshake", fatal=False)
        case _:
            return _unreachable(error)


def _unreachable(error: BaseException) -> RefusedError:
    """Return what the system said of an attempt, in words."""
    match error:
        case socket.gaierror():
            what = f"the name is not known ({error.strerror})"
            remedy = "check the host in uplink.url, and /etc/resolv.conf"
        case ConnectionRefusedError():
            what, remedy = "nobody listens there", "start the coordinator, or check the address in uplink.url"
        case OSError() if error.errno is not None:
            what, remedy = os.strerror(error.errno), ""
        case _:
            what, remedy = str(error), ""
    return RefusedError(f"cannot connect: {what}", code="unreachable", fatal=False, remedy=remedy)


def _how_closed(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        return f"closed by the coordinator: {error.rcvd.code} {error.rcvd.reason}".strip()
    if error.sent is not None and "ping timeout" in error.sent.reason:  # as the library closes a silent connection
        return "the coordinator is silent: a ping was not answered in time"
    return "connection lost"


def refused_job(message: Failed) -> RefusedError:
    """Return the refusal of a job, as the coordinator's `failed` says it."""
    return RefusedError(
        message.message or message.code,
        code=message.code,
        fatal=message.code in _FATAL_CODES,
        remedy=_REMEDIES.get(message.code, ""),
    )
