"""From what the printing tells to what a recording holds. Pure; runs in the recorder's thread, in order."""

from __future__ import annotations

from typing import Any

from agent.driver import CellStarted
from agent.observers import (
    CoordinatorConfigured,
    CoordinatorFailed,
    CoordinatorLoading,
    DecisionReceived,
    DriverTold,
    Happening,
    JobBegan,
    JobEnded,
    LayerBegan,
    LayerEnded,
    LinkChanged,
    MachineFault,
    MapTaken,
    OrderLeft,
    SpreadingBegan,
    Stopping,
    WindowEnded,
    WorkersWarm,
)
from agent.recorder.channels import Channel, Decision, Event, Map, Window
from agent.recorder.maps import encode_map

DIGITS_S = 6
DIGITS_MS = 3
DIGITS_R = 9


class Telling:
    """Turns happenings into messages. Times are told from `origin_s` on, loop seconds."""

    def __init__(self, origin_s: float, guard_s: float) -> None:
        self._origin_s = origin_s
        self._guard_ms = round(guard_s * 1e3, DIGITS_MS)
        self._started_s: dict[int, float] = {}

    def of(self, happening: Happening) -> list[tuple[str, Channel]]:
        """Return what to record of `happening`: topics and messages, none for what other messages say."""
        match happening:
            case WindowEnded():
                return [("window", self._window(happening))]
            case DecisionReceived():
                return [("decision", _decision(happening))]
            case MapTaken():
                return [("event", _map_taken(happening)), ("map", _map(happening))]
            case DriverTold(event=CellStarted(window=window, at_s=at_s)):
                self._started_s[window] = at_s
                return []
            case LayerBegan():
                self._started_s.clear()
                return [("event", self._layer_began(happening))]
            case _:
                event = _event_of_the_printer(happening) or _event_of_the_coordinator(happening)
                return [] if event is None else [("event", event)]

    def _since(self, at_s: float) -> float:
        return round(at_s - self._origin_s, DIGITS_S)

    def _layer_began(self, began: LayerBegan) -> Event:
        values = {"cells": began.cells, "deadline_s": self._since(began.deadline_s)}
        return Event(kind="layer_ready", layer=began.layer, values=values)

    def _window(self, ended: WindowEnded) -> Window:
        handover = ended.handover
        return Window(
            layer=handover.layer,
            window=handover.window,
            cell=ended.cell,
            source=handover.source,
            outcome=handover.outcome.value,
            epoch=handover.epoch,
            slack_ms=round(handover.slack_s * 1e3, DIGITS_MS),
            guard_ms=self._guard_ms,
            deadline_s=self._since(handover.deadline_s),
            started_s=self._since(self._started_s.pop(handover.window, ended.at_s)),
            finished_s=self._since(ended.at_s),
            loop_lag_ms=round(ended.loop_lag_s * 1e3, DIGITS_MS),
            link="up" if ended.link_up else "down",
            fallback_order=handover.order,
            decided_ms_ahead=None if handover.ahead_s is None else round(handover.ahead_s * 1e3, DIGITS_MS),
            uniformity_predicted=None if handover.uniformity is None else round(handover.uniformity, DIGITS_R),
            cause=ended.cause,
        )


def _decision(came: DecisionReceived) -> Decision:
    return Decision(
        layer=came.layer,
        epoch=came.epoch,
        window=came.window,
        cell=came.cell,
        compute_ms=None if came.compute_ms is None else round(came.compute_ms, DIGITS_MS),
        uniformity=None if came.uniformity is None else round(came.uniformity, DIGITS_R),
        drop="" if came.drop is None else came.drop.value,
    )


def _map_taken(taken: MapTaken) -> Event:
    return Event(kind="map_taken", layer=taken.layer, text=taken.cause, values={"map_from": taken.map_from})


def _map(taken: MapTaken) -> Map:
    return Map(layer=taken.layer, map_from=taken.map_from, elements=taken.map_K.size, data=encode_map(taken.map_K))


def _event_of_the_printer(happening: Happening) -> Event | None:
    match happening:
        case JobBegan(layers=layers):
            return Event(kind="job_started", values={"layers": layers})
        case SpreadingBegan(layer=layer, seconds=seconds):
            return Event(kind="spreading", layer=layer, values={"seconds": seconds})
        case LayerEnded():
            return Event(kind="layer_done", layer=happening.layer, values=_layer_values(happening))
        case JobEnded(reason=reason, tally=tally, layers=layers, dropped=dropped):
            sums = {"layers": layers, "windows": tally.windows, "fallbacks": tally.fallbacks, "dropped": dropped}
            return Event(kind="job_done", text=reason, values=sums)
        case MachineFault(text=text):
            return Event(kind="fault", text=text)
        case Stopping(text=text):
            return Event(kind="stopping", text=text)
        case _:
            return None


def _event_of_the_coordinator(happening: Happening) -> Event | None:
    match happening:
        case CoordinatorConfigured():
            return Event(kind="coordinator_configured")
        case CoordinatorLoading(done=done, total=total):
            return Event(kind="loading", values={"done": done, "total": total})
        case LinkChanged(up=True, engine=engine):
            return Event(kind="link_up", values={"engine": engine})
        case LinkChanged(cause=cause):
            return Event(kind="link_down", text=cause)
        case WorkersWarm(layer=layer, workers=workers, cold=cold, reloaded=reloaded):
            return Event(kind="warm", layer=layer, values={"workers": workers, "cold": cold, "reloaded": reloaded})
        case CoordinatorFailed(code=code, cause=cause, layer=layer):
            return Event(kind="coordinator_failed", layer=layer, text=cause, values={"code": code})
        case OrderLeft(layer=layer, epoch=epoch, printed=printed, rejoined=True):
            return Event(kind="rejoined", layer=layer, values={"epoch": epoch, "printed": len(printed)})
        case _:
            return None


def _layer_values(ended: LayerEnded) -> dict[str, Any]:
    return {
        "starved_ms": ended.starved_ms,
        "first_cell_ms": ended.first_cell_ms,
        "map_from": ended.map_from,
        "epochs": ended.epochs,
        "windows": ended.tally.windows,
        "fallbacks": ended.tally.fallbacks,
        "cells": ended.cells,
    }
