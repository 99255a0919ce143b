"""Runs one layer's controller: applies what it asks for, sends what it decides, and says what became of it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter, thread_time
from typing import Any

import structlog

from cloud.deciding.controller import Carry, Decision, Idle, LayerController
from cloud.engines import Guess, LayerWork
from cloud.engines.turns import Tally
from cloud.serving.ledger import Ledger
from cloud.serving.outbox import Outbox
from cloud.sharing.admission import Cost
from cloud.sharing.turns import HasTurns
from cosmic.errors import EngineError
from protocol.sessions import CoordinatorSession, LayerRefusal

GivenUp = Callable[[LayerRefusal | EngineError], None]
"""Told why a layer cannot be decided on."""

DueS = Callable[[float, int, int], float]
"""(loop time, windows after the one being scanned): when the product that such a window waits for is due."""

Costs = Callable[[Cost], None]
"""Told what a window has cost."""


class LayerLoop:
    """One layer of one job, from its map to its end.

    session: holds what the agent has told; read between two steps, so that nothing has to be queued.
    work: the layer's part of the engine; ended when the layer is.
    given_up: told once when the layer cannot go on; `run` then returns.
    ledger: told what was decided and how long it took.
    due_s: says when the job's next product is due; None where nothing waits for turns.
    costs: told what every window has taken.
    tally: counts products that come too late where they do not wait for turns, which are counted themselves.
    """

    def __init__(
        self,
        controller: LayerController,
        session: CoordinatorSession,
        work: LayerWork,
        outbox: Outbox,
        given_up: GivenUp,
        ledger: Ledger,
        due_s: DueS | None = None,
        costs: Costs = lambda _cost: None,
        tally: Tally | None = None,
    ) -> None:
        self.controller = controller
        self._session = session
        self._work = work
        self._outbox = outbox
        self._given_up = given_up
        self._ledger = ledger
        self._due_s = due_s
        self._costs = costs
        self._tally = tally
        self._turns = work if isinstance(work, HasTurns) else None
        self._loop_s = 0.0
        self._changed = asyncio.Event()
        self._held: tuple[Decision, float] | None = None
        self._spent_s = 0.0
        self._compute_ms: list[float] = []
        self._uniformity: float | None = None
        self._retries = 0

    def changed(self) -> None:
        """Note that the agent has told something."""
        self._changed.set()

    async def run(self) -> None:
        """Decide until cancelled, which the end of the layer does, or until it has to be given up."""
        controller = self.controller
        try:
            while True:
                self._changed.clear()
                session = self._session
                if controller.observe(session.epoch, session.prefix, session.windows_reported):
                    self._held = None  # void: it followed an order that was not printed
                started_s, began_s = perf_counter(), thread_time()
                step = controller.step()
                self._spent_s += perf_counter() - started_s
                self._loop_s += thread_time() - began_s
                if isinstance(step, Carry):
                    await self._carry(step)
                elif isinstance(step, Decision):
                    self._decided(step)
                else:
                    assert self._held is None
                    self._work.rest(done=step is Idle.DONE)
                    await self._changed.wait()
                await asyncio.sleep(0)  # other printers' layers, and the socket, have their turn
        except (LayerRefusal, EngineError) as reason:
            self._send_held(None)
            self._given_up(reason)
        finally:
            self._work.end()

    def stop(self) -> None:
        """Let go of the layer's functions at once: the layer is over, and `run` is being cancelled."""
        self._work.end()

    def summary(self) -> dict[str, Any]:
        """Return the figures of the layer's canonical log line."""
        controller = self.controller
        times = self._compute_ms
        return {
            "windows": controller.cells,
            "windows_decided": controller.decided,
            "windows_caught_up": controller.caught_up,
            "epochs": controller.epochs,
            "compute_ms_median": round(statistics.median(times), 3) if times else None,
            "compute_ms_max": round(max(times), 3) if times else None,
            "products_asked_again": self._retries,
            "uniformity_predicted": self._uniformity,
            **self._work.figures(),
        }

    async def _carry(self, carry: Carry) -> None:
        started_s = perf_counter()
        loop = asyncio.get_running_loop()
        asked_s, due_s = loop.time(), float("inf")
        if self._due_s is not None:
            due_s = self._due_s(asked_s, self.controller.ahead(carry), carry.length)
        if self._turns is not None:
            self._turns.due_s = due_s
        try:
            uniformity = await self._product(carry, started_s)
        except EngineError as error:  # once more before the layer is given up
            self._retries += 1
            self._ledger.product_failed()
            structlog.get_logger().warning("product_failed", layer=self.controller.layer, cause=str(error))
            uniformity = await self._product(carry, started_s)
        if self._turns is None and self._tally is not None:
            self._tally.count(late=asked_s < due_s < loop.time())
        self._spent_s += perf_counter() - started_s
        if uniformity is not None:
            self._uniformity = uniformity
            if self._held is not None and self._held[0].window == carry.window:
                self._send_held(uniformity)

    def _told_costs(self, loop_s: float) -> None:
        """Say what a window has cost: a choice, a product, and the state's way on."""
        self._loop_s = 0.0
        spent = Cost() if self._turns is None else self._turns.spent
        self._costs(replace(spent, loop_s=spent.loop_s + loop_s))

    async def _product(self, carry: Carry, started_s: float) -> float | None:
        """Apply the operator and go on from its result; return R. Raises EngineError, changing nothing."""
        y = await self._work.apply(carry.cell, carry.theta, self._guess(carry))
        self._ledger.product(perf_counter() - started_s)
        began_s = thread_time()
        try:
            uniformity = self.controller.carried(carry, y)
        except EngineError as error:
            suspects = self._work.suspects(carry.cell)
            if not suspects:
                raise
            raise EngineError(
                error.what, where=f"{suspects}, {error.where}", why=error.why, remedy=error.remedy
            ) from None
        self._told_costs(self._loop_s + thread_time() - began_s)
        return uniformity

    def _guess(self, carry: Carry) -> Guess:
        return lambda: self.controller.guess(carry)

    def _decided(self, decision: Decision) -> None:
        """Send an urgent decision at once; one far ahead goes with R at its window's end, a product later."""
        compute_ms = round(self._spent_s * 1e3, 3)
        self._spent_s = 0.0
        self._compute_ms.append(compute_ms)
        self._ledger.decided(compute_ms / 1e3, decision.window - self._session.windows_reported)
        assert self._held is None
        self._held = (decision, compute_ms)
        if decision.urgent:
            self._send_held(None)

    def _send_held(self, uniformity: float | None) -> None:
        if self._held is None:
            return
        (decision, compute_ms), self._held = self._held, None
        self._outbox.decide(
            self.controller.layer, decision.epoch, decision.window, decision.cell, compute_ms, uniformity
        )
