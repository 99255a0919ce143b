"""States of a layer kept to go back to when the printed order leaves the decided one. Pure.

Bounded in bytes: when the room is used up, every other state goes, and from then on only every second,
fourth, ... window's state is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Snapshots:
    """States theta (float64[n], K above ambient) by the window at whose start they hold.

    bytes_max: room for states; at least two are always kept, however large they are.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._states: dict[int, NDArray[np.float64]] = {}
        self._stride = 1

    def __len__(self) -> int:
        return len(self._states)

    @property
    def bytes_held(self) -> int:
        """Size of the states held, bytes."""
        return sum(state.nbytes for state in self._states.values())

    def keep(self, window: int, theta: NDArray[np.float64]) -> None:
        """Keep `theta`, the state at the start of `window`, where there is room for such a window."""
        if self._states and window % self._stride:
            return
        self._states[window] = theta
        while self.bytes_held > self._bytes_max and len(self._states) > 2:
            self._stride *= 2
            first = min(self._states)
            self._states = {
                at: state for at, state in self._states.items() if at == first or at % self._stride == 0
            }

    def latest(self, window: int) -> tuple[int, NDArray[np.float64]]:
        """Return the latest state at or before `window`, with its window."""
        at = max(known for known in self._states if known <= window)
        return at, self._states[at]

    def forget_after(self, window: int) -> None:
        """Drop the states of later windows: they followed an order that was not printed."""
        self._states = {at: state for at, state in self._states.items() if at <= window}

    def forget_before(self, window: int) -> None:
        """Drop what nobody can go back to: the states before the latest one at or before `window`."""
        oldest, _ = self.latest(window)
        self._states = {at: state for at, state in self._states.items() if at >= oldest}
