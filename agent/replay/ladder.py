"""The fallback orders of a replay: where the coordinator had not decided, the same cell is scanned again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from agent.replay.script import LayerScript, Script
from fallback import Ladder, Layout

RECORDED = "recorded"
"""Name of the order that answers what was recorded."""


class RecordedLadder(Ladder):
    """Answers what was scanned then, or as `ladder` does where that is not recorded or no longer possible."""

    def __init__(self, script: Script, ladder: Ladder) -> None:
        super().__init__(ladder.rungs)
        self._scripts = {each.layer: each for each in script.layers}
        self._script: LayerScript | None = None
        self._window = 0

    def start_layer(self, layer: int, layout: Layout) -> None:
        """Begin `layer`."""
        super().start_layer(layer, layout)
        self._script = self._scripts.get(layer)
        self._window = 0

    def handed(self, cell: int) -> None:
        """Note that `cell` was handed over."""
        super().handed(cell)
        self._window += 1

    def next_cell(self, left: Sequence[int], last: int | None) -> int:
        """Return what was scanned in this window, where the coordinator had not decided it; else the ladder's."""
        recorded = self._script.windows.get(self._window) if self._script is not None else None
        if recorded is not None and recorded.source != "coordinator":
            place = bisect_left(left, recorded.cell)
            if place < len(left) and left[place] == recorded.cell:
                self.answered_by = RECORDED
                return recorded.cell
        return super().next_cell(left, last)
