"""A printer as light as can be: real messages on a real socket, the real deadlines, and no more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from cloud.load.wire import Wire
from protocol.codec import encode
from protocol.messages import CloseJob, Deviated, EndLayer, OpenJob, Printed

GUARD_S = 0.005
FIRST_LIMIT_S = 2.0
START_WINDOWS = 4
START_WAIT_S = 0.1
"""As an agent's defaults: `guard_ms`, `first_cell_limit_ms`, `start_windows`, `start_wait_ms`."""

PROMISED_MAX = 32
"""Most fallback cells told ahead where answers come too late for the epoch they belong to, as an agent's."""


class _Decisions(msgspec.Struct, tag_field="type", tag="decisions"):
    layer: int
    epoch: int
    first_window: int
    cells: list[int]


class _Ready(msgspec.Struct, tag_field="type", tag="job_ready"):
    pass


class _Failed(msgspec.Struct, tag_field="type", tag="failed"):
    code: str
    message: str


class _Progress(msgspec.Struct, tag_field="type", tag="progress"):
    pass


class _Warm(msgspec.Struct, tag_field="type", tag="warm"):
    pass


_decoder = msgspec.msgpack.Decoder(_Decisions | _Ready | _Failed | _Progress | _Warm)


@dataclass(frozen=True, slots=True)
class Work:
    """What all printers print.

    Attributes:
        part: digest.
        windows_s: the window of every cell, seconds.
        starts: encoded `start_layer` messages of layer 0, epoch 0, one for each map.
        lookahead: windows, None for the whole layer.
        spreading_s: pause between two layers, seconds.
    """

    part: str
    windows_s: Sequence[float]
    starts: Sequence[bytes]
    lookahead: int | None
    spreading_s: float


@dataclass(slots=True)
class Tally:
    """What all printers have counted together.

    Attributes:
        slack_s: how long before its deadline each decision was there, seconds.
        missed: printer, layer and window of every fallback.
        late_s: how late this process itself looked, at most, seconds.
        causes: why jobs were refused, or connections lost.
    """

    windows: int = 0
    fallbacks: int = 0
    layers: int = 0
    opened: int = 0
    busy: int = 0
    lost: int = 0
    late_s: float = 0.0
    slack_s: list[float] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    missed: list[tuple[str, int, int]] = field(default_factory=list)


class LightPrinter(Wire):
    """One printer of one job; prints layer 0 again and again."""

    def __init__(self, name: str, token: str, work: Work, tally: Tally, phase_s: float, seed: int) -> None:
        """Prepare. `phase_s`: how long after the job is ready the first layer begins, seconds."""
        super().__init__(token)
        self.settled = asyncio.get_running_loop().create_future()
        self._name = name
        self._work = work
        self._tally = tally
        self._phase_s = phase_s
        self._random = random.Random(seed)  # noqa: S311  which map, not a secret
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._decided: dict[int, tuple[int, float]] = {}
        self._printed: list[int] = []
        self._promised: list[int] = []
        self._promise = 0
        self._answered_late = False
        self._epoch = 0
        self._layer = 0
        self._fallbacks = 0
        self._begun = True
        self._over = False

    def stop(self) -> None:
        """End the job."""
        self._over = True
        self.send(encode(CloseJob(job=self._name, reason="measured")))
        self._loop.call_later(0.2, self.close)
        self._cancel()

    # --- the link ---------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Open the job."""
        job = OpenJob(job=self._name, part=self._work.part, printer=self._name, lookahead=self._work.lookahead)
        self.send(encode(job))

    def lost(self, why: str) -> None:
        """Count a loss that was not wanted."""
        self._cancel()
        if not self._over:
            self._tally.lost += 1
            self._tally.causes.append(why)
        self._settle()

    def came(self, payload: bytes) -> None:
        """Follow a message."""
        message = _decoder.decode(payload)
        if isinstance(message, _Decisions):
            self._take(message)
        elif isinstance(message, _Ready):
            self._tally.opened += 1
            self._settle()
            self._at(self._loop.time() + self._phase_s, self._start_layer)
        elif isinstance(message, _Failed):
            self._over = True
            self._tally.causes.append(f"{message.code}: {message.message}")
            if message.code == "busy":
                self._tally.busy += 1
            else:
                self._tally.lost += 1
            self._settle()

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    # --- the layer --------------------------------------------------------------------------------------------

    def _start_layer(self) -> None:
        self._decided.clear()
        self._printed, self._promised = [], []
        self._epoch = self._fallbacks = self._promise = 0
        self._answered_late = False
        self._begun = False
        self.send(self._random.choice(self._work.starts))
        self._layer += 1
        self._at(self._loop.time() + FIRST_LIMIT_S, self._begin, self._layer)

    def _take(self, message: _Decisions) -> None:
        if message.epoch != self._epoch:
            self._answered_late = True
            return
        now_s = self._loop.time()
        for window, cell in enumerate(message.cells, message.first_window):
            self._decided[window] = (cell, now_s)
        if not self._begun:
            if len(self._decided) >= START_WINDOWS:
                self._begin(self._layer)
            elif message.first_window == 0:
                self._at(now_s + START_WAIT_S, self._begin, self._layer)

    def _begin(self, layer: int) -> None:
        if not self._begun and layer == self._layer:
            self._begun = True
            self._next(self._loop.time())

    def _next(self, due_s: float) -> None:
        """Take the cell of the next window; its deadline was `due_s`."""
        window = len(self._printed)
        self._tally.late_s = max(self._tally.late_s, self._loop.time() - due_s)
        self._tally.windows += 1
        known = self._decided.pop(window, None)
        if known is not None:
            cell, came_s = known
            self._tally.slack_s.append(due_s - came_s)
            self._printed.append(cell)
            self._answered_late = False
        else:
            self._fall_back(window)
        starts_s = due_s + GUARD_S if window else due_s
        ends_s = starts_s + self._work.windows_s[self._printed[-1]]
        source = "coordinator" if known is not None else "fallback"
        if len(self._printed) < len(self._work.windows_s):
            self._at(ends_s, self._report, window, source)
            self._at(ends_s - GUARD_S, self._next, ends_s - GUARD_S)
        else:
            self._at(ends_s, self._end_layer, window, source)

    def _fall_back(self, window: int) -> None:
        """Take a cell that was promised, or the next; tell it, and those after it where answers come too late."""
        self._tally.fallbacks += 1
        self._tally.missed.append((self._name, self._layer, window))
        self._fallbacks += 1
        if self._promised:
            self._printed.append(self._promised.pop(0))
            return
        taken = set(self._printed)
        left = [cell for cell in range(len(self._work.windows_s)) if cell not in taken]
        if self._answered_late:
            self._promise = min(max(1, 2 * self._promise), PROMISED_MAX)
            self._answered_late = False
        self._printed.append(left[0])
        self._promised = left[1 : 1 + self._promise]
        self._epoch += 1
        self._decided.clear()
        self.send(encode(Deviated(layer=0, epoch=self._epoch, printed=[*self._printed, *self._promised])))

    def _report(self, window: int, source: str) -> None:
        cell, epoch = self._printed[window], self._epoch
        self.send(encode(Printed(layer=0, epoch=epoch, window=window, cell=cell, source=source)))  # type: ignore[arg-type]

    def _end_layer(self, window: int, source: str) -> None:
        self._report(window, source)
        self._tally.layers += 1
        self.send(encode(EndLayer(layer=0, windows=len(self._printed), fallbacks=self._fallbacks)))
        self._at(self._loop.time() + self._work.spreading_s, self._start_layer)

    # --- time -------------------------------------------------------------------------------------------------

    def _at(self, when_s: float, what: Callable[..., None], *arguments: object) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > self._loop.time()]
        if not self._over:
            self._timers.append(self._loop.call_at(when_s, what, *arguments))

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
