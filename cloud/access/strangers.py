"""Who may open a connection: limits by address, before anybody has shown a token. Pure, and of bounded size.

An address that shows wrong tokens, opens connections too fast, or opens many and asks for nothing, is kept out for
a while; everybody else is served meanwhile. An address with a printer's open connection is never shut out for
wrong tokens: behind one router may stand printers and other people.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from cloud.sharing.turns import Pace
from protocol.limits import Limits

SAY_AGAIN_S = 10.0
"""How often it is said of one address that its connections are closed, seconds."""


STARTS_AT_ONCE = 10
"""Layers that a printer may start at once before `starts_per_s_max` holds."""


class Bucket:
    """`per_s` a second in the mean, `most` at once. Time is handed in."""

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s = per_s
        self._left = self._most = most
        self._seen_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one; False where none is left."""
        self._fill(now_s)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def wait_s(self, now_s: float) -> float:
        """Take one, on credit where none is left; return how long to wait for it, seconds."""
        self._fill(now_s)
        self._left -= 1.0
        return max(0.0, -self._left / self._per_s)

    def _fill(self, now_s: float) -> None:
        if self._seen_s is not None:
            self._left = min(self._most, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s


class Rates:
    """How fast one printer may send, over all its connections: messages, and layers that are started.

    Attributes:
        pace: how often it may claim to be in a hurry.
    """

    def __init__(self, limits: Limits) -> None:
        self.pace = Pace()
        self._messages = Bucket(limits.messages_per_s_max, limits.messages_per_s_max)
        self._layers = Bucket(limits.starts_per_s_max, STARTS_AT_ONCE)

    def wait_s(self, now_s: float, *, layers: int) -> float:
        """Take a message that started so many layers; return how long to read nothing from the printer, seconds."""
        wait_s = self._messages.wait_s(now_s)
        return max([wait_s, *(self._layers.wait_s(now_s) for _ in range(layers))])


@dataclass(slots=True)
class _Address:
    came: Bucket
    wrong: Bucket
    opening: int = 0
    printers: int = 0
    out_until_s: float = float("-inf")
    said_s: float = float("-inf")


class Strangers:
    """What is remembered of addresses: at most `addresses_max`, those that came longest ago forgotten first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: OrderedDict[str, _Address] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._known)

    def comes(self, host: str, now_s: float) -> str:
        """Take a new connection; return why it is closed at once, empty where it may ask for something."""
        limits, address = self._limits, self._of(host)
        if not address.came.take(now_s):
            return "it opens connections faster than limits.connections_per_address_per_s"
        if now_s < address.out_until_s and not address.printers:
            return "it has shown too many wrong tokens (limits.tokens_wrong_per_minute_max)"
        if address.opening >= limits.opening_per_address_max:
            return "too many of its connections have not asked for anything (limits.opening_per_address_max)"
        address.opening += 1
        return ""

    def settled(self, host: str) -> None:
        """Note that a connection that was let in has shown a token that is right, or is over."""
        self._of(host).opening -= 1

    def wrong(self, host: str, now_s: float) -> None:
        """Note a wrong token."""
        address = self._of(host)
        if not address.wrong.take(now_s):
            address.out_until_s = now_s + self._limits.shut_out_s

    def printer(self, host: str, change: int) -> None:
        """Note that a printer's connection came (1) or went (-1)."""
        self._of(host).printers += change

    def to_be_said(self, host: str, now_s: float) -> bool:
        """Return whether it is time to say again that connections of `host` are closed."""
        address = self._of(host)
        if now_s - address.said_s < SAY_AGAIN_S:
            return False
        address.said_s = now_s
        return True

    def _of(self, host: str) -> _Address:
        key = network_of(host)
        address = self._known.get(key)
        if address is None:
            limits = self._limits
            address = _Address(
                came=Bucket(limits.connections_per_address_per_s, limits.connections_per_address_burst),
                wrong=Bucket(limits.tokens_wrong_per_minute_max / 60.0, limits.tokens_wrong_per_minute_max),
            )
            self._known[key] = address
            if len(self._known) > limits.addresses_max:
                self._forget_one(key)
        self._known.move_to_end(key)
        return address

    def _forget_one(self, kept: str) -> None:
        idle = (key for key, one in self._known.items() if key != kept and one.opening == 0 and one.printers == 0)
        gone = next(idle, None)
        if gone is not None:  # else there are as many as connections, which are limited themselves
            del self._known[gone]


def network_of(host: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host
