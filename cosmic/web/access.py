"""Who may read what: pure checks of a request's method, Host, Origin and token.

A page on another site can make a browser send requests here, and by rebinding its DNS name to this machine even
read the answers. A rebound request still carries that site's name: so the Host must be an address, this machine's
name or a name that was configured, and an Origin must be the very same.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

OPEN_PATHS = frozenset({"/healthz"})
"""What needs no token: whoever restarts a dead service must not need one."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer carries: nothing is loaded from elsewhere, nobody may frame the page."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: the status and a sentence with the remedy."""

    status: HTTPStatus
    text: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server.

    Attributes:
        token: what readers must bring, empty for no token.
        names: host names by which this server may be called.
    """

    token: str = ""
    names: frozenset[str] = frozenset()

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Return why a request is refused, None where it may be answered. `headers`: case-insensitive."""
        if method not in {"GET", "HEAD"}:
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{method[:20]} changes things; this server only shows")
        host = headers.get("Host", "")
        if not self._known(host):
            return Refusal(
                HTTPStatus.FORBIDDEN,
                f"this server is not called {host[:100] or 'nothing'}: use its address, or add it to http.names",
            )
        origin = headers.get("Origin")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            return Refusal(HTTPStatus.FORBIDDEN, f"pages of {origin[:100]} may not read this server")
        if headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate":
            return Refusal(HTTPStatus.FORBIDDEN, "pages of other sites may not read this server")
        if self.token and path not in OPEN_PATHS and not self._authorized(headers.get("Authorization", "")):
            return Refusal(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong (http.token_file)")
        return None

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.names or is_address(name)

    def _authorized(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                _, _, given = base64.b64decode(given, validate=True).decode().partition(":")
            except ValueError:  # neither base64 nor text
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(errors="surrogateescape"), self.token.encode())


def known_names(configured: Iterable[str]) -> frozenset[str]:
    """Return the names by which a server of this machine may be called."""
    own = socket.gethostname().lower()
    return frozenset({"localhost", own, f"{own.partition('.')[0]}.local", *(name.lower() for name in configured)})


def is_address(name: str) -> bool:
    """Return whether `name` is an IP address and no name that anybody could rebind."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on `host`."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


class RateLimit:
    """A bucket of tokens: `per_s` requests a second in the mean, as many at once. Time is handed in."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left = self._most = max(per_s, 1.0)
        self._seen_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one; False where none is left."""
        if self._seen_s is not None:
            self._left = min(self._most, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
