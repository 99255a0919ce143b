"""Seeded draws of what differs from window to window, the same for every plan that is compared.

Of F functions the slowest counts. Its rank is `U^(1/F)` with one uniform U a window and draw, so that a plan with
more functions never looks faster by luck alone: delays grow with F in every single draw.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cloud.planner.platform import Platform

FloatArray = NDArray[np.float64]


class Draws:
    """Draws of a layer.

    platform: its delay distribution and the spread of its products.
    cells: windows of a layer.
    seed: same seed, same draws.

    Attributes:
        count: number of draws D.
        delay_mean_s: mean delay of a single function, s.
        guess: float64[D, cells], uniform: below the accuracy, a guess is right (where guesses are not known).
    """

    def __init__(self, platform: Platform, cells: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.count = platform.settings.draws
        shape = (self.count, cells)
        self._log_delay = np.log(random.uniform(1e-12, 1.0, shape))
        self._log_product = np.log(random.uniform(1e-12, 1.0, shape))
        self.guess = random.uniform(size=shape)
        profile = platform.profile
        self._sigma = platform.delay_sigma
        self._least_s = profile.invocation_least_ms / 1e3
        self._above_s = (profile.invocation_median_ms - profile.invocation_least_ms) / 1e3
        self._product_sigma = math.log(profile.product_p90_factor) / 1.2815515655446004
        self.delay_mean_s = self._least_s + self._above_s * math.exp(self._sigma**2 / 2)
        self._delays: dict[int, FloatArray] = {}
        self._factors: dict[int, FloatArray] = {}

    def delay_s(self, functions: int) -> FloatArray:
        """Return the delay of the slowest of so many functions: float64[D, cells], s."""
        known = self._delays.get(functions)
        if known is None:
            z = ndtri(np.exp(self._log_delay / functions))
            known = self._delays[functions] = self._least_s + self._above_s * np.exp(self._sigma * z)
        return known

    def delay_median_s(self, functions: int) -> float:
        """Return the median delay of the slowest of so many functions, s: the D of speculation."""
        z = float(ndtri(0.5 ** (1.0 / functions)))
        return self._least_s + self._above_s * math.exp(self._sigma * z)

    def early_s(self, functions: int) -> float:
        """Return how long a function invoked D ahead waits on average for its window, s: `E max(0, D - delay)`."""
        ranks = (np.arange(1000) + 0.5) / 1000
        delays = self._least_s + self._above_s * np.exp(self._sigma * ndtri(ranks))
        return float(np.maximum(self.delay_median_s(functions) - delays, 0.0).mean())

    def means(self, functions: int, orders: int) -> tuple[FloatArray, FloatArray]:
        """Return mean delay of the slowest function, and its mean excess over a single one's mean, by order.

        Both float64[orders, cells], s, divided so that the sum over orders is the mean over draws.
        """
        delays = self.delay_s(functions)
        excess = np.maximum(delays - self.delay_mean_s, 0.0)
        split = [slice(first, None, orders) for first in range(orders)]
        return (
            np.stack([delays[one].sum(axis=0) for one in split]) / self.count,
            np.stack([excess[one].sum(axis=0) for one in split]) / self.count,
        )

    def factor(self, functions: int) -> FloatArray:
        """Return by what the slowest of so many products exceeds the median: float64[D, cells], no unit."""
        known = self._factors.get(functions)
        if known is None:
            known = np.exp(self._product_sigma * ndtri(np.exp(self._log_product / functions)))
            self._factors[functions] = known
        return known
