"""Samples of one quantity, and when there are enough of them. Pure.

Intervals of quantiles are those of order statistics, which hold for any distribution: the number of samples below
the true quantile is binomial. (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy.stats import binom

CONFIDENCE = 0.95
"""That an interval holds the true value."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the interval that holds the true one with `CONFIDENCE`.

    Attributes:
        value: what was measured.
        low, high: the interval's ends.
        samples: number of samples behind it.
    """

    value: float
    low: float
    high: float
    samples: int

    def scaled(self, factor: float) -> Interval:
        """Return the interval in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor, self.samples)


@dataclass(slots=True)
class Samples:
    """Samples of one quantity, taken until its median is known well enough.

    Attributes:
        least: samples taken in any case.
        most: samples taken at most.
        width: of the interval of the median, half of it over the median: below it there are enough.
        taken: in the order taken.
    """

    least: int = 10
    most: int = 100
    width: float = 0.05
    taken: list[float] = field(default_factory=list)

    def add(self, sample: float) -> None:
        """Take a sample."""
        self.taken.append(sample)

    @property
    def enough(self) -> bool:
        """Whether no more samples are wanted."""
        if len(self.taken) < self.least:
            return False
        if len(self.taken) >= self.most:
            return True
        found = self.quantile(0.5)
        return (found.high - found.low) / 2 <= self.width * abs(found.value)

    def quantile(self, share: float) -> Interval:
        """Return a quantile with its interval; the ends are the extremes where samples are too few for one."""
        return quantile(self.taken, share)

    @property
    def median(self) -> float:
        """The median."""
        return self.quantile(0.5).value


def quantile(samples: Sequence[float], share: float) -> Interval:
    """Return a quantile of samples, linear between them, with its interval."""
    ordered = sorted(samples)
    count = len(ordered)
    at = share * (count - 1)
    below = int(at)
    value = ordered[below] + (at - below) * (ordered[min(below + 1, count - 1)] - ordered[below])
    low = int(binom.ppf((1 - CONFIDENCE) / 2, count, share))
    high = int(binom.ppf((1 + CONFIDENCE) / 2, count, share))
    return Interval(value, min(value, ordered[max(0, low - 1)]), max(value, ordered[min(count - 1, high)]), count)


def least_samples(share: float) -> int:
    """Return the fewest samples whose extremes hold a quantile with `CONFIDENCE`: fewer say nothing of a tail."""
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(max(share, 1 - share)))


def share_of(hits: int, count: int) -> Interval:
    """Return a share with its Wilson interval (Wilson 1927): also none of a few says something."""
    z = 1.959963984540054
    share = hits / count
    scale = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / scale
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), count)
