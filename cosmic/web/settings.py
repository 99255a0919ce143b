"""The settings of a web server: the same section `http` for the agent and for the coordinator."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The live page, metrics, health and state over HTTP, read only (`pip install "cosmic-lpbf[http]"`)."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for every interface, then with `token_file`."""
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """TCP port; 0 takes a free one, which the log line `http` names; unset: no web server."""
    token_file: str = ""
    """File with the token that readers must bring; needed where `host` is not this machine alone. A browser asks
    for it as the password, with any user name."""
    certificate_file: str = ""
    """PEM certificate chain; with `key_file` it switches TLS on (1.2 or newer)."""
    key_file: str = ""
    """PEM key of the certificate."""
    names: list[str] = msgspec.field(default_factory=list)
    """Names, besides `localhost`, this machine's and plain addresses, by which the page may be called."""
    updates_per_s: Annotated[float, Meta(gt=0.0, le=50.0)] = 10.0
    """Most updates that a page gets in a second."""
    clients_max: Annotated[int, Meta(ge=1, le=1000)] = 8
    """Pages that may be open at a time."""
    connections_max: Annotated[int, Meta(ge=2, le=10_000)] = 24
    """TCP connections at a time; more are closed at once."""
    requests_per_s_max: Annotated[float, Meta(gt=0.0)] = 50.0
    """Requests a second, of all readers; beyond that they are refused with 429."""
    request_s: Annotated[float, Meta(gt=0.0)] = 5.0
    """How long a request may take to arrive, seconds."""
    slow_s: Annotated[float, Meta(gt=0.0)] = 5.0
    """How long a page that does not read its updates is kept, seconds."""
