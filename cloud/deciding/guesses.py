"""Which cell comes next, guessed while the workers still compute the window. Pure.

Two ways: the paper's, which needs no preparation, and the predictors of thermal.speculation, which take a second
or two to prepare for a large layer and are made while the part is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thermal.operators import Polynomial
from thermal.smartscan import SmartScan
from thermal.speculation import Predictor, make_predictor

PREDICTOR = "shortlist"
"""The paper's guess is right for 85 % of the groups; this one for more, at a few short products a guess."""


class InputGuess:
    """The guess of papers/cosmic.txt, section 4.3: the rule's choice for `theta + f_c`, as if nothing diffused.

    scan: the rule of the layer.
    """

    def __init__(self, scan: SmartScan) -> None:
        self._scan = scan

    def predict(self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_]) -> Sequence[int]:
        """Return the cell that comes next if nothing diffuses; see Guesses."""
        if scanned.all():
            return ()
        return (self._scan.choose(self._scan.advance(theta, cell), scanned),)


class Guesses:
    """A predictor of thermal.speculation for one layer geometry, rule `input`. Making it takes a second or two.

    scan: the rule of the layer.
    predictor: one of thermal.speculation.PREDICTORS.
    """

    def __init__(self, scan: SmartScan, predictor: str = PREDICTOR) -> None:
        self._scan = scan
        self._predictor: Predictor = make_predictor(
            predictor, scan.geometry, scan.process, Polynomial(scan.geometry, scan.process)
        )

    def predict(self, theta: NDArray[np.float64], cell: int, scanned: NDArray[np.bool_]) -> Sequence[int]:
        """Return the cells that may well follow `cell`, the likeliest first; none where all are scanned.

        theta: float64[n], K, when the window of `cell` begins.
        scanned: bool[cells], True for `cell` and all before it.
        """
        if scanned.all():
            return ()
        found: list[int] = self._predictor.predict(theta, cell, scanned, self._scan.scores(theta)).tolist()
        return found
