"""Faults added to a replay: `delay=50ms,loss=2%,disconnect=12s+3s`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cosmic.errors import UsageError

RESEND_S = 0.2
"""A lost packet is sent again after this time, and what comes behind it waits: TCP's shortest on Linux, seconds."""

_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s)")
_SHARE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The link is cut `at_s` seconds after the job began, for `for_s` seconds."""

    at_s: float
    for_s: float


@dataclass(slots=True)
class Faults:
    """What is made worse than it was.

    Attributes:
        delay_s: how much later every message of the coordinator comes, seconds.
        loss: share of its messages whose packet is lost and sent again, `RESEND_S` later.
        disconnects: when the link is cut, and for how long.
    """

    delay_s: float = 0.0
    loss: float = 0.0
    disconnects: list[Disconnect] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.delay_s or self.loss or self.disconnects)


def parse_faults(texts: list[str]) -> Faults:
    """Return the faults that `texts` name. Raises UsageError."""
    faults = Faults()
    for word in (word for text in texts for word in text.split(",") if word):
        name, _, value = word.partition("=")
        match name:
            case "delay":
                faults.delay_s = _seconds(value, word)
            case "loss":
                faults.loss = _share(value, word)
            case "disconnect":
                at, _, lasts = value.partition("+")
                faults.disconnects.append(Disconnect(_seconds(at, word), _seconds(lasts, word)))
            case _:
                raise _wrong(word)
    faults.disconnects.sort(key=lambda each: each.at_s)
    return faults


def _seconds(text: str, word: str) -> float:
    found = _TIME.fullmatch(text)
    if found is None:
        raise _wrong(word)
    return float(found["number"]) / (1e3 if found["unit"] == "ms" else 1.0)


def _share(text: str, word: str) -> float:
    found = _SHARE.fullmatch(text)
    share = -1.0 if found is None else float(found["number"]) / (100.0 if found["percent"] else 1.0)
    if not 0.0 <= share < 1.0:
        raise _wrong(word)
    return share


def _wrong(word: str) -> UsageError:
    return UsageError(
        f"'{word}' is no fault",
        where="--fault",
        why="known: delay=TIME, loss=SHARE (below 100 %), disconnect=TIME+TIME (when, for how long)",
        remedy="for example --fault delay=50ms,loss=2%,disconnect=12s+3s",
    )
