"""When functions get dummy requests so that they keep their state. Pure: told what happens and the time.

Requests go out from the moment powder is spread until the layer begins. Nobody pays for a printer that is off:
they stop when the job closes, or when the agent has said nothing for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Warmth(Enum):
    """What keep-warm does."""

    OFF = "off"
    """Nothing: a layer is being decided, no powder is spread, the job is closed, or the agent is silent."""
    DUE = "due"
    """A round of requests is to be sent."""
    ASKING = "asking"
    """A round is under way."""
    RESTING = "resting"
    """The next round comes when the interval is over."""


class Happened(Enum):
    """What keep-warm is told."""

    SPREADING = "spreading"
    SENT = "sent"
    ANSWERED = "answered"
    INTERVAL_OVER = "interval over"
    LAYER_BEGAN = "layer began"
    CLOSED = "closed"
    SILENT = "silent"


NEXT: Mapping[Warmth, Mapping[Happened, Warmth]] = {
    Warmth.OFF: {Happened.SPREADING: Warmth.DUE},
    Warmth.DUE: {Happened.SENT: Warmth.ASKING},
    Warmth.ASKING: {Happened.ANSWERED: Warmth.RESTING},
    Warmth.RESTING: {Happened.INTERVAL_OVER: Warmth.DUE, Happened.SPREADING: Warmth.DUE},
}
"""State x event -> state. What ends it (ENDS) leads to OFF from everywhere; anything else changes nothing."""

ENDS = frozenset({Happened.LAYER_BEGAN, Happened.CLOSED, Happened.SILENT})


class KeepWarm:
    """The schedule of one job.

    interval_s: from the start of a round to the start of the next, seconds.
    silence_s: it stops when the agent has said nothing for so long, seconds.

    Attributes:
        state: what it does.
        layer: the layer that powder is being spread for.
    """

    def __init__(self, interval_s: float, silence_s: float) -> None:
        self.state = Warmth.OFF
        self.layer: int | None = None
        self._interval_s = interval_s
        self._silence_s = silence_s
        self._heard_s = 0.0
        self._sent_s = 0.0

    def spreading(self, layer: int, now_s: float) -> None:
        """Note that powder is spread for `layer`."""
        self.layer = layer
        self.heard(now_s)
        self._step(Happened.SPREADING)

    def heard(self, now_s: float) -> None:
        """Note that the agent has said something."""
        self._heard_s = now_s

    def layer_began(self) -> None:
        """Note that the layer is being decided: its functions are asked for windows from here on."""
        self._step(Happened.LAYER_BEGAN)

    def closed(self) -> None:
        """Note that the job is closed, or its connection lost."""
        self._step(Happened.CLOSED)

    def answered(self) -> None:
        """Note that all functions have answered the round, and those found cold were loaded or cannot be."""
        self._step(Happened.ANSWERED)

    def due(self, now_s: float) -> float | None:
        """Return how long to wait for the next round, seconds: 0 to send one now, None where none will come.

        A round that is to be sent counts as sent from this call on.
        """
        if now_s - self._heard_s >= self._silence_s:
            self._step(Happened.SILENT)
        if self.state is Warmth.RESTING and now_s >= self._sent_s + self._interval_s:
            self._step(Happened.INTERVAL_OVER)
        if self.state is Warmth.DUE:
            self._sent_s = now_s
            self._step(Happened.SENT)
            return 0.0
        if self.state is Warmth.RESTING:
            return min(self._sent_s + self._interval_s, self._heard_s + self._silence_s) - now_s
        return None

    def _step(self, happened: Happened) -> None:
        self.state = Warmth.OFF if happened in ENDS else NEXT[self.state].get(happened, self.state)
