"""Seeded draws of what differs from window to window, the same for every plan that is compared.

Of F functions the slowest counts. Its rank is found from one uniform U a window and draw, so that a plan with more
functions never looks faster by luck alone: delays and products grow with F in every single draw.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from cloud.planner.platform import Platform

FloatArray = NDArray[np.float64]

Z_MAX = 7.0
"""Products are tabulated between these standard deviations; what lies beyond comes once in 10^11 products."""
NODES = 400
HELD_MAX = 48
"""Arrays of slowest products held at a time; one has a few hundred kB."""


class Draws:
    """Draws of a layer.

    platform: its delay distribution and the spread of its products.
    cells: windows of a layer.
    seed: same seed, same draws.

    Attributes:
        count: number of draws D.
        together: the functions of a group are there at the same time: one delay a group.
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
        self.together = profile.invocation_per == "group"
        self._sigma = platform.delay_sigma
        self._least_s = profile.invocation_least_ms / 1e3
        self._above_s = (profile.invocation_median_ms - profile.invocation_least_ms) / 1e3
        self._product_sigma = math.log(profile.product_p90_factor) / 1.2815515655446004
        self.delay_mean_s = self._least_s + self._above_s * math.exp(self._sigma**2 / 2)
        self._delays: dict[int, FloatArray] = {}
        self._known_levels: dict[tuple[int, float], FloatArray] = {}
        self._slowest: OrderedDict[tuple[int, float], FloatArray] = OrderedDict()
        ranks = (np.arange(1000) + 0.5) / 1000
        self._single_s = self._least_s + self._above_s * np.exp(self._sigma * ndtri(ranks))
        self._single_sums_s = np.concatenate([[0.0], np.cumsum(self._single_s)])
        self._factors = np.exp(self._product_sigma * np.linspace(-Z_MAX, Z_MAX, NODES))
        self._sorted = np.sort(self._log_product, axis=None)
        self._sums = np.concatenate([[0.0], np.cumsum(self._sorted)])

    def delay_s(self, functions: int) -> FloatArray:
        """Return the delay of the slowest of so many functions: float64[D, cells], s."""
        functions = self._alike(functions)
        known = self._delays.get(functions)
        if known is None:
            z = ndtri(np.exp(self._log_delay / functions))
            known = self._delays[functions] = self._least_s + self._above_s * np.exp(self._sigma * z)
        return known

    def excess_s(self, functions: int) -> FloatArray:
        """Return how long a function waits on average for the slowest of its group: float64[D, cells], s."""
        delays = self.delay_s(functions)
        return np.zeros_like(delays) if self.together else np.maximum(delays - self.delay_mean_s, 0.0)

    def delay_median_s(self, functions: int) -> float:
        """Return the median delay of the slowest of so many functions, s: the D of speculation."""
        z = float(ndtri(0.5 ** (1.0 / self._alike(functions))))
        return self._least_s + self._above_s * math.exp(self._sigma * z)

    def early_s(self, ahead_s: FloatArray) -> FloatArray:
        """Return how long a function waits on average that is invoked so long ahead, s: `E max(0, ahead - delay)`.

        ahead_s: float64[k], s. Grows with it.
        """
        below = np.searchsorted(self._single_s, ahead_s)
        found: FloatArray = (below * ahead_s - self._single_sums_s[below]) / self._single_s.size
        return found

    def means(self, functions: int, orders: int) -> tuple[FloatArray, FloatArray]:
        """Return mean delay of the slowest function, and its mean excess over a single one's mean, by order.

        Both float64[orders, cells], s, divided so that the sum over orders is the mean over draws.
        """
        return self.by_order(self.delay_s(functions), orders), self.by_order(self.excess_s(functions), orders)

    def late_means(self, functions: int, ahead_s: float, orders: int) -> FloatArray:
        """Return by how much functions invoked so long ahead are late on average, by order; as `means`."""
        return self.by_order(np.maximum(self.delay_s(functions) - ahead_s, 0.0), orders)

    def by_order(self, values: FloatArray, orders: int) -> FloatArray:
        """Return float64[orders, cells] whose sum over orders is the mean over draws of float64[D, cells]."""
        return np.stack([values[first::orders].sum(axis=0) for first in range(orders)]) / self.count

    def slowest(self, functions: int, spacing: float, first: int | None = None) -> FloatArray:
        """Return when the last of so many products ends after the last began, in medians of a product.

        Products begin one after the other, as maps leave the coordinator: the one that began k before the last is
        k spacings ahead. `max_k (f_k - k spacing)` has the distribution function `prod_k P(f <= x + k spacing)`,
        of which the window's U is the rank. It grows with F and falls with the spacing in every draw.

        functions: F. spacing: time between two maps over the median product's. first: draws wanted; None: all.
        Returns float64[first, cells].
        """
        if first is not None:
            return self._quantiles(functions, spacing, self._log_product[:first])
        key = (functions, spacing)
        known = self._slowest.get(key)
        if known is None:
            known = self._slowest[key] = self._quantiles(functions, spacing, self._log_product)
            if len(self._slowest) > HELD_MAX:
                self._slowest.popitem(last=False)
        return known

    def slowest_mean(self, functions: int, spacing: float) -> float:
        """Return the mean of `slowest` over draws and windows."""
        levels = self._levels(functions, spacing)
        at = np.searchsorted(self._sorted, levels)
        counts, sums = np.diff(at), np.diff(self._sums[at])
        rise = np.diff(levels)
        slope = np.divide(np.diff(self._factors), rise, out=np.zeros_like(rise), where=rise > 0)
        inside = float(((self._factors[:-1] - slope * levels[:-1]) * counts + slope * sums).sum())
        outside = at[0] * self._factors[0] + (self._sorted.size - at[-1]) * self._factors[-1]
        return float((inside + outside) / self._sorted.size)

    def _quantiles(self, functions: int, spacing: float, ranks: FloatArray) -> FloatArray:
        if self._product_sigma == 0.0:
            return np.ones_like(ranks)
        return np.asarray(np.interp(ranks, self._levels(functions, spacing), self._factors))

    def _levels(self, functions: int, spacing: float) -> FloatArray:
        """Return the logarithm of the distribution function of the slowest product at `_factors`."""
        if self._product_sigma == 0.0:
            return np.linspace(-30.0, 0.0, NODES)
        known = self._known_levels.get((functions, spacing))
        if known is None:
            known = np.asarray(log_ndtr(np.log(self._factors) / self._product_sigma))
            if spacing == 0.0:
                known = known * functions
            else:
                # Products that began so long before the last have ended long since.
                felt = (self._factors[-1] - self._factors[0]) / spacing
                ahead = np.arange(1, min(functions - 1, int(felt)) + 1)[:, None] * spacing
                known = known + log_ndtr(np.log(self._factors + ahead) / self._product_sigma).sum(axis=0)
            self._known_levels[functions, spacing] = known
        return known

    def _alike(self, functions: int) -> int:
        return 1 if self.together else functions
