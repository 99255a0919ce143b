"""The look-ahead buffer: decisions that wait for their windows. Whether one counts, the keeper says."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision waiting for its window.

    carried: from before a rejoin, replaced when a newer one comes.
    promised_by: the fallback order that chose it, where the coordinator was told of it beforehand; else empty.
    """

    cell: int
    came_s: float
    uniformity: float | None
    carried: bool = False
    promised_by: str = ""


class LookAhead:
    """Decisions by window, each cell at most once.

    Attributes:
        decided: the cells that were decided in this epoch.
        rejected: windows that were sent a decision that is not valid.
    """

    def __init__(self) -> None:
        self.decided: set[int] = set()
        self.rejected: set[int] = set()
        self._decisions: dict[int, Decision] = {}
        self._window_of: dict[int, int] = {}

    def __contains__(self, window: int) -> bool:
        return window in self._decisions

    def waiting(self, window: int) -> Decision | None:
        """Return the decision that waits for `window`, None without one."""
        return self._decisions.get(window)

    def in_a_row(self, window: int) -> int:
        """Return how many windows in a row from `window` on have a decision."""
        count = 0
        while window + count in self._decisions:
            count += 1
        return count

    @property
    def promised(self) -> list[int]:
        """The cells that the coordinator was told of before they are handed over, in the order of their windows."""
        return [
            self._decisions[window].cell
            for window in sorted(self._decisions)
            if self._decisions[window].promised_by
        ]

    def put(self, window: int, decision: Decision) -> None:
        """Keep `decision` for `window`; it replaces one for that window and one for that cell."""
        elsewhere = self._window_of.pop(decision.cell, None)
        if elsewhere is not None:  # carried over for another window: the newer decision stands
            del self._decisions[elsewhere]
        replaced = self._decisions.get(window)
        if replaced is not None:
            del self._window_of[replaced.cell]
        self._decisions[window] = decision
        self._window_of[decision.cell] = window
        self.decided.add(decision.cell)

    def pop(self, window: int) -> Decision | None:
        """Take the decision for `window` out, None without one."""
        decision = self._decisions.pop(window, None)
        if decision is not None:
            del self._window_of[decision.cell]
        return decision

    def carry(self) -> None:
        """Begin a new epoch that goes on with the decisions that are buffered; promises end with the old one."""
        self._decisions = {
            window: replace(kept, carried=True) for window, kept in self._decisions.items() if not kept.promised_by
        }
        self._window_of = {kept.cell: window for window, kept in self._decisions.items()}
        self.decided.clear()
        self.rejected.clear()

    def forget_waiting(self) -> None:
        """Forget the decisions that wait."""
        self._decisions.clear()
        self._window_of.clear()

    def forget(self) -> None:
        """Begin a new epoch with nothing."""
        self.forget_waiting()
        self.decided.clear()
        self.rejected.clear()
