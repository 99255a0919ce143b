"""Quantiles learned on the way, with bounded memory, that no single outlier moves. Pure."""

from __future__ import annotations

from bisect import insort
from collections import deque

SAMPLES_MAX = 101
"""Samples remembered: enough for a p90, few enough to follow a platform that changes within a layer."""


class RunningQuantile:
    """A quantile of the last samples.

    share: which quantile, 0.5 for the median.
    prior: what it is before the first sample; it is forgotten with the first.
    """

    def __init__(self, share: float, prior: float, samples_max: int = SAMPLES_MAX) -> None:
        assert 0.0 <= share <= 1.0
        self._share = share
        self._prior = prior
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._samples_max = samples_max

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, sample: float) -> None:
        """Take a sample; the oldest is forgotten beyond the number remembered."""
        if len(self._recent) == self._samples_max:
            self._sorted.remove(self._recent.popleft())
        self._recent.append(sample)
        insort(self._sorted, sample)

    @property
    def value(self) -> float:
        """The quantile, linear between samples."""
        if not self._sorted:
            return self._prior
        at = self._share * (len(self._sorted) - 1)
        below = int(at)
        above = min(below + 1, len(self._sorted) - 1)
        return self._sorted[below] + (at - below) * (self._sorted[above] - self._sorted[below])
