"""The link of a replay: stands between the agent and whoever decides, and does to the link what was recorded.

Recorded losses cut it and bring it back at their times. Decisions for windows that had none then do not pass: what
was scanned there is scanned again, and the decider is told, as it was. Added faults come on top.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, Protocol

import msgspec

from agent.replay.clock import ReplayLoop
from agent.replay.faults import RESEND_S, Faults
from agent.replay.printer import RecordedPrinter
from agent.replay.script import LayerScript, LinkChange, Script
from agent.uplink import LinkListener
from cosmic.errors import RefusedError
from protocol.messages import AgentMessage, CoordinatorMessage, Decisions, JobReady, Progress

LINK, COVER, CUT = "link", "cover", "cut"
"""As whom the gate holds the clock: until the link is up, the buffer holds what it held then, the link is cut."""


class Decider(Protocol):
    """Whoever decides: the uplink to a coordinator, or SmartScan in this process."""

    ready: bool

    async def run(self) -> None:
        """Connect, and stay connected, until cancelled."""
        ...

    def tell(self, message: AgentMessage) -> bool:
        """Send `message`. Never waits."""
        ...

    async def close(self, reason: str) -> None:
        """Say that the job is over."""
        ...


class LinkGate:
    """To the agent the uplink, to the decider the agent.

    Attributes:
        ready: True while the link is up.
        decider: whoever decides; to be given before `run`.
        listener: the agent; to be given before `run`.
        failed: done with the cause when the decider cannot be asked at all.
    """

    decider: Decider
    listener: LinkListener

    def __init__(
        self, script: Script, printer: RecordedPrinter, loop: ReplayLoop, faults: Faults, *, wait: bool, seed: int
    ) -> None:
        """Prepare. `wait`: hold the clock until what had come then has come."""
        self.ready = False
        self.failed: asyncio.Future[RefusedError] = loop.create_future()
        self._scripts = {each.layer: each for each in script.layers}
        self._script = script
        self._printer = printer
        self._loop = loop
        self._faults = faults
        self._wait = wait
        self._generator = random.Random(seed)  # noqa: S311  faults, not secrets
        self._running: asyncio.Task[None] | None = None
        self._passes_at_s = 0.0
        self._arrived: dict[int, int] = {}
        self._cause: RefusedError | None = None
        self._uncovered = False
        loop.gave_up = self._gave_up
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Do what was done to the link, until cancelled."""
        try:
            if self._script.link_at_begin:
                await self._up()
            await asyncio.gather(self._replay_losses(), self._add_losses())
            await asyncio.Event().wait()
        finally:
            await self._cut()

    def tell(self, message: AgentMessage) -> bool:
        """Pass `message` on while the link is up."""
        return self.ready and self.decider.tell(message)

    async def close(self, reason: str) -> None:
        """Say that the job is over."""
        if self.ready:
            await self.decider.close(reason)

    # --- what was recorded ------------------------------------------------------------------------------------

    async def _replay_losses(self) -> None:
        later = [change for change in self._script.links if change.at_s > self._script.begin_s]
        for place, change in enumerate(later):
            await self._printer.until(change.at_s)
            if change.up:
                await self._up()
                continue
            if self.ready and self._wait:
                await self._covered(_next_up_s(later[place:]))
            await self._cut()
            self.listener.link_lost(RefusedError(change.cause or "lost", code="lost", fatal=False))

    async def _covered(self, until_s: float) -> None:
        """Wait until the decisions that covered the loss then are there: the agent had them in its buffer."""
        layer = self._printer.layer
        script = self._scripts.get(layer)
        last = None if script is None else _last_covered(script, self._printer.handed, until_s)
        if last is None:
            return
        self._loop.hold(COVER)
        while self._arrived.get(layer, -1) < last and self.ready and not self._uncovered:
            self._more.clear()
            await self._more.wait()
        self._loop.release(COVER)

    async def _add_losses(self) -> None:
        for each in self._faults.disconnects:
            await self._printer.until(self._script.begin_s + each.at_s)
            await self._cut()
            self.listener.link_lost(RefusedError("cut by --fault disconnect", code="lost", fatal=False))
            await asyncio.sleep(each.for_s)
            await self._up(at_once=False)

    async def _up(self, *, at_once: bool = True) -> None:
        """Connect. `at_once`: at this moment the link was up; what connecting takes here does not count."""
        if self._running is None:
            self._running = asyncio.create_task(self.decider.run())
        if at_once and not self.ready:
            self._loop.hold(LINK)

    async def _cut(self) -> None:
        self.ready = False
        running, self._running = self._running, None
        if running is not None:
            self._loop.hold(CUT)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._loop.release(CUT)
            self.decider.ready = False
        self._loop.release(LINK)
        self._more.set()

    def _gave_up(self, who: str) -> None:
        """The clock was held for longer than patience lasts."""
        if who == LINK and not self.failed.done():
            self.failed.set_result(
                self._cause or RefusedError("the coordinator does not answer", code="timeout", fatal=False)
            )
        self._uncovered = True
        self._more.set()

    # --- told by the decider ----------------------------------------------------------------------------------

    def link_ready(self, ready: JobReady) -> None:
        """The decider has the job."""
        self.ready = True
        self._loop.release(LINK)
        self._more.set()
        self.listener.link_ready(ready)

    def link_lost(self, cause: RefusedError) -> None:
        """The decider went away, which was not recorded."""
        self._cause = cause
        if cause.fatal and not self.failed.done():
            self.failed.set_result(cause)
        was_ready, self.ready = self.ready, False
        if self._running is not None:
            self.listener.link_lost(cause)
            if self._wait and was_ready:
                self._loop.hold(LINK)
        self._more.set()

    def link_message(self, message: CoordinatorMessage) -> None:
        """Pass `message` on, as late as the faults want it."""
        if isinstance(message, Progress) and not self.ready:  # it is there, and loads: be patient
            self._loop.release(LINK)
            self._loop.hold(LINK)
        if not (self._faults.delay_s or self._faults.loss):
            self._pass(message)
            return
        late_s = self._faults.delay_s
        if self._generator.random() < self._faults.loss:
            late_s += RESEND_S
        self._passes_at_s = max(self._passes_at_s, self._loop.time() + late_s)
        self._loop.call_at(self._passes_at_s, self._pass, message)

    def _pass(self, message: CoordinatorMessage) -> None:
        if not self.ready:
            return
        kept = self._kept(message) if isinstance(message, Decisions) else message
        if kept is not None:
            self.listener.link_message(kept)
        self._more.set()

    def _kept(self, message: Decisions) -> Decisions | None:
        """Return the decisions without those from the next window on that had none then."""
        script = self._scripts.get(message.layer)
        forced = (
            None
            if script is None
            else script.next_forced(self._printer.handed if message.layer == self._printer.layer else 0)
        )
        count = len(message.cells) if forced is None else max(0, forced - message.first_window)
        if count < len(message.cells):
            kept: dict[str, Any] = {"cells": message.cells[:count], "compute_ms": message.compute_ms[:count]}
            if message.uniformity is not None:
                kept["uniformity"] = message.uniformity[:count]
            if not count:
                return None
            message = msgspec.structs.replace(message, **kept)
        last = message.first_window + len(message.cells) - 1
        self._arrived[message.layer] = max(self._arrived.get(message.layer, -1), last)
        return message


def _next_up_s(changes: list[LinkChange]) -> float:
    return next((change.at_s for change in changes if change.up), float("inf"))


def _last_covered(script: LayerScript, handed: int, until_s: float) -> int | None:
    """Return the last window of the layer, not yet handed over, that was decided although the link was down."""
    covered = [
        number
        for number in script.windows
        if number >= handed and script.decided(number) and script.handed_at_s(number) < until_s
    ]
    forced = script.next_forced(handed)
    return max((number for number in covered if forced is None or number < forced), default=None)
