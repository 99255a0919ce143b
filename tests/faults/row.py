"""A row of the fault matrix: what is done to whom, and what must hold then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.configuration import Uplink
from agent.uplink.dialling import CLOSE_S
from tests.faults.stage import Stage

REJOIN_S = 1.5
"""Room for what depends on the machine and not on settings: opening the connection, loading the part, handing the
layer over, catching up over the printed cells, and powder that is being laid meanwhile (0.2 s)."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The longest recovery that the settings allow: a formula in words, and what it comes to, seconds."""

    formula: str
    seconds: Callable[[Uplink], float]


AT_ONCE = Worst("backoff_min + rejoin", lambda up: up.backoff_min_s + REJOIN_S)
"""The loss is told (FIN, RST) and the coordinator is there: one short pause."""

SILENT = Worst(
    "ping_interval + ping_timeout + close + backoff_min + rejoin",
    lambda up: up.ping_interval_s + up.ping_timeout_s + CLOSE_S + up.backoff_min_s + REJOIN_S,
)
"""Nobody tells that the connection is dead: a ping without an answer does. New connections work."""

REFUSED = Worst("backoff_max + rejoin", lambda up: up.backoff_max_s + REJOIN_S)
"""From when the coordinator listens again; until then every attempt fails at once, and a pause is the longest."""

HANGING = Worst(
    "connect + close + backoff_max + rejoin", lambda up: up.connect_s + CLOSE_S + up.backoff_max_s + REJOIN_S
)
"""From when the network is whole again; an attempt may hang just then, and a pause follow it."""

ALL_OF_IT = Worst(
    "ping_interval + ping_timeout + close + connect + backoff_max + rejoin",
    lambda up: up.ping_interval_s + up.ping_timeout_s + CLOSE_S + up.connect_s + up.backoff_max_s + REJOIN_S,
)
"""From when the network is whole again, whether the loss was noticed before or not."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        name: in one word, for the command line.
        fault: in words, for the table.
        story: starts the processes, waits for its moment, strikes, and says when the fault is over.
        worst: the longest recovery allowed, None where nothing has to recover.
        none_fall: whether no window may fall back.
        loses: windows that may be missing in the recording, 0 but for faults of the recording itself.
        retold: whether windows may be in two recordings: an agent started in a layer is told what was scanned.
        dense: whether the part needs dense operators (engine `local`).
        missing: why this machine cannot show it, empty where it can.
    """

    name: str
    fault: str
    story: Callable[[Stage], Awaitable[None]]
    worst: Worst | None = None
    none_fall: bool = False
    loses: bool = False
    retold: bool = False
    dense: bool = False
    missing: Callable[[], str] = field(default=lambda: "")


class Window:
    """The window in which faults strike: in the middle of the first layer."""

    LAYER = 0
    NUMBER = 20


async def middle(stage: Stage) -> None:
    """Start both, and wait for the moment."""
    await stage.start()
    await stage.window(Window.LAYER, Window.NUMBER)
