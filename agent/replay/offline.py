"""SmartScan in this process, where a replay would else ask a coordinator: the reference for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.uplink import LinkListener
from protocol.messages import AgentMessage, Decisions, Deviated, EndLayer, JobReady, StartLayer
from thermal.operators import Operator
from thermal.order import part_operator
from thermal.part import Part
from thermal.smartscan import SmartScan

AT_ONCE = 8
"""Windows decided between two looks whether they are still wanted."""


class OfflineDecider:
    """Decides the layers of `part`; stands where the uplink stands.

    Attributes:
        ready: True while it runs.
    """

    def __init__(self, part: Part, rule: str, listener: LinkListener, next_gap: Callable[[int, int], int]) -> None:
        """Prepare.

        next_gap: given layer and window, the first window from there on that is not to be decided.
        """
        self.ready = False
        self._part = part
        self._rule = rule
        self._listener = listener
        self._next_gap = next_gap
        self._following: _Following | None = None
        self._operator: tuple[int, Operator] | None = None
        self._deciding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Be there until cancelled."""
        self.ready = True
        largest = self._part.largest
        self._listener.link_ready(
            JobReady(job="replay", cells=len(largest.cells), elements=largest.elements, engine="offline")
        )
        try:
            await asyncio.Event().wait()
        finally:
            self.ready = False
            self._stop()

    async def close(self, reason: str) -> None:
        """Nothing is left to be told."""

    def tell(self, message: AgentMessage) -> bool:
        """Take what the agent says."""
        match message:
            case StartLayer():
                map_K = message.map.to_numpy()
                self._decide(message.layer, message.epoch, list(message.printed), map_K)
            case Deviated():
                self._decide(message.layer, message.epoch, list(message.printed), None)
            case EndLayer():
                self._stop()
            case _:
                pass
        return True

    def _stop(self) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
            self._deciding = None

    def _decide(self, layer: int, epoch: int, printed: list[int], map_K: NDArray[np.float32] | None) -> None:
        before, self._deciding = self._deciding, None
        self._deciding = asyncio.create_task(self._decide_all(before, layer, epoch, printed, map_K))

    async def _decide_all(
        self,
        before: asyncio.Task[None] | None,
        layer: int,
        epoch: int,
        printed: list[int],
        map_K: NDArray[np.float32] | None,
    ) -> None:
        if before is not None:  # its thread may still work on the same state
            before.cancel()
            await asyncio.gather(before, return_exceptions=True)
        following = self._follow(layer, map_K)
        if following is None:
            return
        await _whole(following.take, printed)
        first, gap = len(printed), self._next_gap(layer, len(printed))
        while first < gap:
            if first == len(following.order):
                await _whole(following.decide, min(AT_ONCE, gap - first))
            cells = following.order[first:gap]
            self._listener.link_message(
                Decisions(
                    layer=layer,
                    epoch=epoch,
                    first_window=first,
                    cells=cells,
                    compute_ms=[0.0] * len(cells),
                    uniformity=list(following.uniformity[first:gap]),
                )
            )
            first += len(cells)

    def _follow(self, layer: int, map_K: NDArray[np.float32] | None) -> _Following | None:
        """Return the state of `layer`: a new one with a map, else the one that is there."""
        known = self._following if self._following is not None and self._following.layer == layer else None
        if map_K is not None and (known is None or not np.array_equal(known.map_K, map_K)):
            known = self._following = _Following(layer, self._part, self._rule, map_K, self._operator_of(layer))
        return known

    def _operator_of(self, layer: int) -> Operator:
        number = self._part.geometry_of(layer).number
        if self._operator is None or self._operator[0] != number:
            self._operator = (number, part_operator(self._part, layer))
        return self._operator[1]


class _Following:
    """A layer as far as it is decided. Used by one thread at a time."""

    def __init__(self, layer: int, part: Part, rule: str, map_K: NDArray[np.float32], operator: Operator) -> None:
        self.layer = layer
        self.map_K = map_K
        self._lengths = part.geometry_of(layer).lengths
        self._scan = SmartScan(part.geometry_of(layer), part.process, rule)
        self._operator = operator
        self._begin()

    def take(self, printed: list[int]) -> None:
        """Follow what was printed; from the map anew where it is not what was decided."""
        if self.order[: len(printed)] == printed:
            return
        if printed[: len(self.order)] != self.order:
            self._begin()
        for cell in printed[len(self.order) :]:
            self._advance(cell)

    def decide(self, windows: int) -> None:
        """Decide so many more windows."""
        for _ in range(windows):
            self._advance(self._scan.choose(self._theta, self._scanned))

    def _begin(self) -> None:
        self._theta = self._scan.theta_from_map(self.map_K)
        self._scanned = np.zeros(len(self._lengths), dtype=np.bool_)
        self.order: list[int] = []
        self.uniformity: list[float] = []

    def _advance(self, cell: int) -> None:
        carried = self._operator.apply(int(self._lengths[cell]), self._theta)
        self._theta = self._scan.advance(carried, cell)
        self._scanned[cell] = True
        self.order.append(cell)
        self.uniformity.append(self._scan.uniformity(self._theta))


async def _whole(work: Callable[..., None], *arguments: Any) -> None:
    """Run `work` in a thread to its end, also when cancelled meanwhile: what it works on is used again."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
