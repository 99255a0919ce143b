"""One canonical log line per window, per layer and per job. An observer: it writes what the printing tells."""

from __future__ import annotations

import structlog

from agent.observers import Happening, JobEnded, LayerEnded, WindowEnded
from agent.tally import Tally, ms

__all__ = ["Journal", "Tally"]

_log = structlog.get_logger()


class Journal:
    """Writes the lines of one job."""

    def __init__(self, job: str, guard_s: float) -> None:
        self._log = _log.bind(job=job)
        self._guard_ms = ms(guard_s)

    def observe(self, happening: Happening) -> None:
        """Write the line that `happening` is worth, if any."""
        match happening:
            case WindowEnded():
                self._window(happening)
            case LayerEnded():
                self._layer(happening)
            case JobEnded():
                self._log.info(
                    "job",
                    layers=happening.layers,
                    **happening.tally.as_dict(),
                    reason=happening.reason,
                    dropped=happening.dropped,
                )
            case _:
                pass

    def _window(self, ended: WindowEnded) -> None:
        handover = ended.handover
        self._log.info(
            "window",
            layer=handover.layer,
            window=handover.window,
            cell=ended.cell,
            source=handover.source,
            fallback_order=handover.order,
            outcome=handover.outcome.value,
            slack_ms=ms(handover.slack_s),
            guard_ms=self._guard_ms,
            epoch=handover.epoch,
            decided_ms_ahead=ms(handover.ahead_s),
            loop_lag_ms=ms(ended.loop_lag_s),
            uniformity_predicted=handover.uniformity,
            link="up" if ended.link_up else "down",
            cause=ended.cause,
        )

    def _layer(self, ended: LayerEnded) -> None:
        self._log.info(
            "layer",
            layer=ended.layer,
            **ended.tally.as_dict(),
            epochs=ended.epochs,
            starved_ms=ended.starved_ms,
            first_cell_ms=ended.first_cell_ms,
            map_from=ended.map_from,
            order=list(ended.order),
        )
