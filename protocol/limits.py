"""The limits of protocol.md, each with its unit. Defaults; every one is a setting of the side that applies it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

SUBPROTOCOL = "cosmic.v1"
"""WebSocket subprotocol of this version; a peer that does not offer it is refused."""

AGENT_PATH = "/v1/agent"
"""Path of the coordinator's WebSocket."""

MAP_K_MAX = 5000.0
"""Hottest element that a map may hold, kelvin; 0 K is the coldest."""

TEXT_LENGTH_MAX = 256
"""Longest name of a job or a printer, and longest engine text, characters."""

MESSAGE_LENGTH_MAX = 2048
"""Longest explanation in `failed` and `close_job`, characters."""

CELLS_MAX = 1_000_000
"""Most cells of a layer that a message may list."""

LAYERS_MAX = 10_000_000
"""Highest layer, window and epoch number."""

PositiveInt = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0.0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one side accepts from the other."""

    message_bytes_max: PositiveInt = 64 * 1024 * 1024
    """Largest message the coordinator accepts, bytes: a map of n elements needs 4 n and some 100 more."""

    agent_message_bytes_max: PositiveInt = 1024 * 1024
    """Largest message the agent accepts, bytes."""

    connections_max: PositiveInt = 256
    """Most connections of all printers together."""

    connections_per_printer_max: PositiveInt = 4
    """Most connections of one printer (of one token)."""

    receive_queue_messages: PositiveInt = 16
    """Messages received and not yet worked on before the socket is no longer read."""

    handshake_s: PositiveFloat = 5.0
    """Longest opening handshake, seconds."""

    open_job_s: PositiveFloat = 5.0
    """Longest time from the handshake to `open_job`, seconds."""

    ping_interval_s: PositiveFloat = 2.0
    """Time between keep-alive pings, seconds."""

    ping_timeout_s: PositiveFloat = 4.0
    """Longest wait for the answer to a ping before the connection counts as lost, seconds."""

    load_max: PositiveFloat = 0.75
    """Share of the loop's thread, and of the processors, that jobs may need together; a new job that would need
    more is refused with `busy`. Above 1: nobody is refused."""

    jobs_max: PositiveInt = 1000
    """Most jobs that have a place."""

    rejoin_s: PositiveFloat = 30.0
    """How long the place of a job that lost its connection is kept, seconds."""

    messages_per_s_max: PositiveFloat = 2000.0
    """Messages of one printer a second; one that sends more is read more slowly."""

    starts_per_s_max: PositiveFloat = 5.0
    """Layers that one printer starts a second, beyond 10 at once; one that starts more is read more slowly."""

    connections_per_address_per_s: PositiveFloat = 50.0
    """New connections of one address a second, in the mean; more are closed at once. An IPv6 /64 is one address."""

    connections_per_address_burst: PositiveInt = 300
    """The same at once: as many printers may stand behind one address and come back together."""

    opening_per_address_max: PositiveInt = 64
    """Connections of one address that have not shown a right token yet; more are closed at once."""

    tokens_wrong_per_minute_max: PositiveInt = 60
    """Wrong tokens of one address a minute before it is shut out, unless a printer is connected from there."""

    shut_out_s: PositiveFloat = 60.0
    """How long new connections of such an address are closed at once, seconds."""

    addresses_max: PositiveInt = 4096
    """Addresses that are remembered, some 500 bytes each."""
