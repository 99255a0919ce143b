"""Which cell comes next, guessed while the workers still compute the window. Pure.

The guess of papers/cosmic.txt, section 4.3: a window is short, so leave diffusion out, add the input of the cell
being scanned to the map at its start, and let the rule choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rule(Protocol):
    """What a guess needs of SmartScan."""

    def choose(self, theta: NDArray[np.float64], scanned: NDArray[np.bool_]) -> int:
        """Return the cell to scan next."""
        ...

    def advance(self, y: NDArray[np.float64], cell: int) -> NDArray[np.float64]:
        """Return `y + f_c`."""
        ...


class InputGuess:
    """Guesses from `theta + f_c`."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def predict(self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_]) -> Sequence[int]:
        """Return the cell that comes next if nothing diffuses; none where all are scanned.

        theta: float64[n], K, when the window of `cell` begins.
        scanned: bool[cells], True for `cell` and all before it.
        """
        if scanned.all():
            return ()
        return (self._rule.choose(self._rule.advance(theta, cell), scanned),)
