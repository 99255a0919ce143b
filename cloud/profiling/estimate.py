"""What profiling a paid platform costs at most, said before it starts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.bills import Price
from cloud.profiling.measuring import Effort

DELAY_S = 0.05
"""Billed time of a function that is invoked, found ready and released: bounded by a slow network, s."""

WINDOW_S = 0.1
"""Time of a window at most, s: the largest block is a fraction of a layer's."""

ASK_S = 0.01
"""Billed time of a warm request, s."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What it costs at most.

    Attributes:
        usd: all of it.
        gb_seconds: of functions.
        requests: invocations.
        seconds: time that it takes at most, s.
    """

    usd: float
    gb_seconds: float
    requests: int
    seconds: float


def profile_bill(
    price: Price,
    *,
    functions: int,
    memory_mb: int,
    sizes: int,
    load_s: float,
    effort: Effort,
    other_usd: float = 0.0,
) -> Bill:
    """Return the bill of the most samples that may be taken.

    Args:
        price: of functions.
        functions: that are deployed.
        memory_mb: of a function, MiB.
        sizes: of the profile's part.
        load_s: for which each function loads its blocks, s.
        effort: how much is measured.
        other_usd: what comes beside functions, such as storage.
    """
    delays = 3 * effort.samples_max
    sessions = sizes * max(1, functions.bit_length() + 1)
    idle = 2 * functions * len(effort.idle_s)
    window_s = sessions * effort.samples_max * WINDOW_S
    billed_s = delays * DELAY_S + functions * (window_s + load_s + (4 + idle) * ASK_S)
    requests = delays + functions * (sessions + 5) + idle
    gb_seconds = billed_s * memory_mb / 1024
    usd = gb_seconds * price.gb_second + requests * price.request + other_usd
    return Bill(usd, gb_seconds, requests, delays * DELAY_S + window_s + load_s + sum(effort.idle_s))
