"""One canonical log line per window, per layer and per job, and the sums behind them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import structlog

from agent.keeper import Handover, Outcome

_log = structlog.get_logger()


def _ms(seconds: float | None) -> float | None:
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
            "slack_ms_min": _ms(self.slack_s_min),
            "slack_ms_median": _ms(median(self.medians_s)) if self.medians_s else None,
        }

    def _least(self, slack_s: float) -> None:
        self.slack_s_min = slack_s if self.slack_s_min is None else min(self.slack_s_min, slack_s)


class Journal:
    """Writes the lines of one job."""

    def __init__(self, job: str, guard_s: float) -> None:
        self.job = Tally()
        self.layer = Tally()
        self._log = _log.bind(job=job)
        self._guard_ms = _ms(guard_s)
        self._layers = 0

    def window(self, handover: Handover, *, loop_lag_s: float, link_up: bool, cause: str) -> None:
        """Write the line of a window. `cause`: words for a fallback, empty otherwise."""
        self.layer.add(handover)
        self._log.info(
            "window",
            layer=handover.layer,
            window=handover.window,
            cell=handover.cell,
            source=handover.source,
            fallback_order=handover.order,
            outcome=handover.outcome.value,
            slack_ms=_ms(handover.slack_s),
            guard_ms=self._guard_ms,
            epoch=handover.epoch,
            decided_ms_ahead=_ms(handover.ahead_s),
            loop_lag_ms=_ms(loop_lag_s),
            uniformity_predicted=handover.uniformity,
            link="up" if link_up else "down",
            cause=cause,
        )

    def end_layer(self, layer: int, **more: object) -> Tally:
        """Write the line of `layer`, with `more` fields, and return its sums."""
        tally, self.layer = self.layer, Tally()
        self.job.add_layer(tally)
        self._layers += 1
        self._log.info("layer", layer=layer, **tally.as_dict(), **more)
        return tally

    def end_job(self, reason: str, **more: object) -> None:
        """Write the line of the job."""
        self._log.info("job", layers=self._layers, **self.job.as_dict(), reason=reason, **more)
