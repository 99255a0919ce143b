"""What a layer or a job came to: windows, outcomes, slack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from agent.keeper import Handover, Outcome


def ms(seconds: float | None) -> float | None:
    """Return seconds as ms to the microsecond, None as None."""
    return None if seconds is None else round(seconds * 1e3, 3)


@dataclass(slots=True)
class Tally:
    """What a layer or a job came to.

    A layer's `medians_s` hold the slack of every window, a job's the median of every layer: bounded either way.
    """

    windows: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    slack_s_min: float | None = None
    medians_s: list[float] = field(default_factory=list)

    def add(self, handover: Handover) -> None:
        """Count one window of a layer."""
        self.windows += 1
        self.outcomes[handover.outcome] += 1
        self.medians_s.append(handover.slack_s)
        self._least(handover.slack_s)

    def add_layer(self, layer: Tally) -> None:
        """Count the windows of a whole layer."""
        self.windows += layer.windows
        self.outcomes.update(layer.outcomes)
        if layer.slack_s_min is not None:
            self._least(layer.slack_s_min)
            self.medians_s.append(median(layer.medians_s))

    @property
    def fallbacks(self) -> int:
        """Windows that the fallback order decided."""
        return self.windows - self.outcomes[Outcome.ON_TIME]

    def as_dict(self) -> dict[str, object]:
        """Return the sums for a log line: counts, and slack in ms."""
        return {
            "windows": self.windows,
            "on_time": self.outcomes[Outcome.ON_TIME],
            "fallbacks": self.fallbacks,
            **{outcome.value: self.outcomes[outcome] for outcome in Outcome if outcome is not Outcome.ON_TIME},
            "slack_ms_min": ms(self.slack_s_min),
            "slack_ms_median": ms(median(self.medians_s)) if self.medians_s else None,
        }

    def _least(self, slack_s: float) -> None:
        self.slack_s_min = slack_s if self.slack_s_min is None else min(self.slack_s_min, slack_s)
