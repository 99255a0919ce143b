"""Invocation delays as the paper measured them on warm workers (papers/cosmic.txt, section 3.2.1, figure 7)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

MEDIAN_MS = 10.2
P90_MS = 13.2
TAIL_SHARE = 0.01
TAIL_MS = 30.0
"""One in a hundred takes longer, by a Pareto tail: the paper's "heavy tail", which it gives no figure of."""


def paper_delays_ms(seed: int) -> Iterator[float]:
    """Yield delays, ms: log-normal with the paper's median and 90th percentile, and a heavy tail."""
    generator = np.random.default_rng(seed)
    sigma = math.log(P90_MS / MEDIAN_MS) / 1.2816
    while True:
        if generator.random() < TAIL_SHARE:
            yield TAIL_MS * (1.0 + generator.pareto(2.5))
        else:
            yield MEDIAN_MS * math.exp(sigma * generator.standard_normal())
