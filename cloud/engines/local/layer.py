"""One layer on a local engine: where several are in progress, the product that is due first has its turn first."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.engines.interface import Guess
from cloud.engines.turns import Turns
from cloud.sharing.admission import Cost


class OneAtATime(Protocol):
    """An engine that has one product in work at a time.

    Attributes:
        layers: layers in progress.
        turns: on the engine.
        spent: what the last product took.
    """

    layers: int
    turns: Turns
    spent: Cost

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `M_c theta`; see LayerWork."""
        ...

    def suspects(self, geometry: int, cell: int) -> str:
        """Return who gave wrong values; see LayerWork."""
        ...


class LocalLayer:
    """A LayerWork.

    Attributes:
        due_s: when the next product is due, loop time; set by whoever knows the printer's progress.
        spent: what the last product took.
    """

    def __init__(self, engine: OneAtATime, geometry: int) -> None:
        self.due_s = 0.0
        self.spent = Cost()
        self._engine = engine
        self._geometry = geometry
        self._over = False
        engine.layers += 1

    async def apply(self, cell: int, theta: NDArray[np.float64], guess: Guess | None = None) -> NDArray[np.float64]:
        """See LayerWork. A layer alone takes no turns: nobody could be before it, and turns cost time."""
        del guess
        engine = self._engine
        if engine.layers == 1:
            y = await engine.apply(self._geometry, cell, theta)
            self.spent = engine.spent
            return y
        await engine.turns.take(self.due_s)
        try:
            y = await engine.apply(self._geometry, cell, theta)
            self.spent = engine.spent
        finally:
            engine.turns.give_back()
        return y

    def rest(self, *, done: bool) -> None:
        """Nothing is held that could be let go of."""

    def end(self) -> None:
        """The layer counts no more as one in progress."""
        if not self._over:
            self._over = True
            self._engine.layers -= 1

    def figures(self) -> dict[str, Any]:
        """Return nothing: the layer's own line says all."""
        return {}

    def suspects(self, cell: int) -> str:
        """See LayerWork."""
        return self._engine.suspects(self._geometry, cell)
