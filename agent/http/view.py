"""Makes what the page and `/api/state` show from the notes and the status. Reads only; costs some 0.1 ms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Literal, Protocol

from agent.http.alarms import Facts, alarms
from agent.http.live import Live
from agent.http.state import AgentState, Job, Layer, Link, Slack, Update, Window, Workers
from agent.mqtt.payloads import now
from agent.observers import now_s
from agent.status import State, Status
from cosmic import __version__
from thermal.part import Part


class Recording(Protocol):
    """What is asked of a recording."""

    @property
    def failed(self) -> str | None:
        """Why it stopped, None while it goes on."""
        ...


class View:
    """What is shown of one printer.

    waiting: returns how many windows in a row have a decision waiting.
    recording: None where nothing is kept.
    """

    def __init__(
        self,
        printer: str,
        part: Part,
        guard_ms: float,
        live: Live,
        status: Status,
        *,
        waiting: Callable[[], int],
        recording: Recording | None,
    ) -> None:
        self.live = live
        self._printer = printer
        self._part = part
        self._guard_ms = guard_ms
        self._status = status
        self._waiting = waiting
        self._recording = recording

    def state(self) -> AgentState:
        """Return everything as it is now."""
        live, time_s = self.live, now_s()
        spreading = live.spreading_until_s
        return AgentState(
            time=now(),
            version=__version__,
            printer=self._printer,
            state=self._status.state.value,
            ready=self.not_ready(),
            job=self._job(),
            layer=self._layer(),
            window=self._window(time_s),
            spreading_left_s=None if spreading is None else round(max(spreading - time_s, 0.0), 2),
            link=self._link(),
            workers=self._workers(),
            slack=self._slack(),
            decisions_waiting=self._waiting(),
            recording=self._recorded(),
            loop_lag_ms=self._lag_ms(),
            alarms=alarms(self._facts()),
        )

    def update(self, first_row: int, *, whole: bool = False) -> Update:
        """Return the update with the rows from `first_row` on; `whole`: with the layer's order so far."""
        first, rows = self.live.rows_from(first_row)
        layer = self.live.layer if whole else None
        return Update(
            state=self.state(),
            first_row=first,
            rows=rows,
            order=None if layer is None else list(layer.order),
            fallback_windows=None if layer is None else list(layer.fallback_windows),
        )

    def not_ready(self) -> str:
        """Return why the printer is not ready to print as configured, empty where it is."""
        status = self._status
        if status.fault:
            return f"the machine reports a fault: {status.fault}"
        link = status.link
        if not link.configured or link.up:
            return ""
        if status.state is State.LOADING and status.loading:
            return f"the coordinator has loaded {status.loading:.0%} of the part"
        return f"the coordinator cannot be reached: {link.cause or 'no answer yet'}"

    # --- pieces -----------------------------------------------------------------------------------------------

    def _job(self) -> Job | None:
        job = self._status.job
        if job is None:
            return None
        return Job(
            name=job.name,
            part=job.part,
            digest=job.digest,
            layers=job.layers,
            layers_done=job.layers_done,
            windows=job.windows,
            fallbacks=job.fallbacks,
            reason=job.reason,
        )

    def _layer(self) -> Layer | None:
        layer = self.live.layer
        if layer is None:
            return None
        low_K, high_K = layer.map_range_K or (None, None)
        return Layer(
            layer=layer.number,
            geometry=self._part.manifest.layers[layer.number],
            cells=len(layer.windows_s),
            printed=len(layer.order),
            fallbacks=len(layer.fallback_windows),
            map_version=layer.map_version,
            map_from=layer.map_from,
            map_min_K=None if low_K is None else round(low_K, 1),
            map_max_K=None if high_K is None else round(high_K, 1),
            uniformity=layer.uniformity,
            epoch=layer.epoch,
            ended=layer.ended,
        )

    def _window(self, time_s: float) -> Window | None:
        layer = self.live.layer
        if layer is None or layer.window_began_s is None:
            return None
        cell = layer.order[-1]
        length_s = float(layer.windows_s[cell])
        return Window(
            window=len(layer.order) - 1,
            cell=cell,
            length_ms=round(length_s * 1e3, 2),
            left_ms=round((layer.window_began_s + length_s - time_s) * 1e3, 2),
            layer_left_s=round(max(layer.left_s, 0.0), 3),
        )

    def _link(self) -> Link:
        link = self._status.link
        word: Literal["up", "down", "none"] = ("up" if link.up else "down") if link.configured else "none"
        return Link(
            link=word,
            engine=link.engine,
            cause=link.cause,
            losses=self.live.sums.losses,
            loading_percent=round(100.0 * self._status.loading),
        )

    def _workers(self) -> Workers | None:
        found = self._status.workers
        if found is None:
            return None
        return Workers(
            layer=found.layer,
            workers=found.workers,
            warm=max(found.workers - found.cold, 0),
            cold=found.cold,
            reloaded=found.reloaded,
        )

    def _slack(self) -> Slack:
        slacks_s, aheads_s = self.live.slacks_s, self.live.aheads_s
        return Slack(
            windows=len(slacks_s),
            min_ms=round(min(slacks_s) * 1e3, 2) if slacks_s else None,
            median_ms=round(median(slacks_s) * 1e3, 2) if slacks_s else None,
            ahead_ms_median=round(median(aheads_s) * 1e3, 1) if aheads_s else None,
            guard_ms=self._guard_ms,
        )

    def _recorded(self) -> Literal["on", "off", "stopped"]:
        if self._recording is None:
            return "off"
        return "on" if self._recording.failed is None else "stopped"

    def _lag_ms(self) -> float:
        return round(max(self.live.lags_s, default=0.0) * 1e3, 2)

    def _facts(self) -> Facts:
        status, layer = self._status, self.live.layer
        link, recording = status.link, self._recording
        facts = Facts(
            fault=status.fault,
            link_down=link.cause if link.configured and not link.up and status.job is not None else None,
            recording_stopped=(recording.failed or "") if recording is not None else "",
            loop_lag_ms=self._lag_ms(),
            guard_ms=self._guard_ms,
        )
        if layer is None:
            return facts
        return replace(
            facts,
            fallbacks=layer.fallbacks,
            fallback_cause=layer.fallback_cause,
            late=layer.late,
            no_frame=layer.no_frame,
            map_from=layer.map_from,
        )
