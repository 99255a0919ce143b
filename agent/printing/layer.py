"""What the printing knows of the layer in progress, beside what the window keeper holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.tally import Tally


@dataclass(slots=True, eq=False)
class Layer:
    """The layer in progress.

    Attributes:
        number: the layer, from 0.
        ready_s: loop time at which its powder lay.
        map_K: its first map, float32[n], kelvin; None until it is there.
        map_from: `camera`, `predicted` or `ambient`.
        told: True when a coordinator was given the layer.
        rejoins: how often it was offered again to a coordinator that did not know it.
        refused: why the coordinator does not decide it, empty while it does.
        printed: the cells that have started, in order.
        unasked: windows in which the machine scanned a cell although none had been handed over.
        first_cell_s: from ready to the first hand-over, seconds.
        tally: the sums of its windows.
    """

    number: int
    ready_s: float
    map_K: NDArray[np.float32] | None = None
    map_from: str = "camera"
    told: bool = False
    rejoins: int = 0
    refused: str = ""
    printed: list[int] = field(default_factory=list)
    unasked: set[int] = field(default_factory=set)
    first_cell_s: float | None = None
    tally: Tally = field(default_factory=Tally)
