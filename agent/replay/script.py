"""What a recording says of each layer: when, with which map, which windows, where decisions were missing. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from statistics import median

from agent.recorder.channels import Event, Window
from agent.recorder.errors import RecordingError
from agent.recorder.reading import Recording
from thermal.part import Part


@dataclass(slots=True)
class LayerScript:
    """A layer as it was printed. Times: seconds since the recording began.

    Attributes:
        layer: the layer.
        spreading_at_s: when its powder began to be laid.
        spreading_s: for how long the machine said that would take.
        ready_at_s: when it lay.
        map_at_s: when its map was there.
        windows: what was recorded of its windows, by window.
        forced: windows whose cell did not come from the coordinator, ascending.
    """

    layer: int
    spreading_at_s: float
    spreading_s: float
    ready_at_s: float
    map_at_s: float
    windows: dict[int, Window] = field(default_factory=dict)
    forced: list[int] = field(default_factory=list)

    def decided(self, window: int) -> bool:
        """Return whether the coordinator's decision for `window` was there in time."""
        recorded = self.windows.get(window)
        return recorded is not None and recorded.source == "coordinator"

    def next_forced(self, window: int) -> int | None:
        """Return the first window from `window` on that the coordinator did not decide, None without one."""
        place = bisect_left(self.forced, window)
        return self.forced[place] if place < len(self.forced) else None

    def gap_s(self, window: int) -> float:
        """Return how long the laser stood still before `window` when it was recorded, seconds."""
        here, before = self.windows.get(window), self.windows.get(window - 1)
        return 0.0 if here is None or before is None else max(0.0, here.started_s - before.finished_s)

    def handed_at_s(self, window: int) -> float:
        """Return when the cell of `window` was handed over."""
        recorded = self.windows[window]
        return recorded.deadline_s - recorded.slack_ms / 1e3


@dataclass(frozen=True, slots=True)
class LinkChange:
    """The link came up or went down."""

    at_s: float
    up: bool
    cause: str = ""


@dataclass(slots=True)
class Script:
    """A job as it was printed.

    Attributes:
        begin_s: when the printer began, seconds since the recording began.
        layers: the layers that can be printed again, in order.
        links: what happened on the link, in order.
        faults: faults of the machine, with their times.
        reason: why the job ended.
        left_out: layers of which too little is recorded.
    """

    begin_s: float
    layers: list[LayerScript]
    links: list[LinkChange]
    faults: list[tuple[float, str]]
    reason: str
    left_out: list[int]

    def of(self, layer: int) -> LayerScript:
        """Return the script of a layer that is in `layers`."""
        return next(each for each in self.layers if each.layer == layer)

    @property
    def link_at_begin(self) -> bool:
        """Whether the coordinator had the job when the printer began."""
        before = [change.up for change in self.links if change.at_s <= self.begin_s]
        return bool(before) and before[-1]


def script_of(recording: Recording) -> Script:
    """Return what is to be printed again.

    Raises RecordingError when times run backwards, or no layer is recorded.
    """
    for problem in recording.problems:
        if problem.kind == "backwards":
            raise RecordingError(
                problem.text,
                where=str(recording.path),
                why="a job is printed again by its times",
                remedy="take another recording; 'cosmic-agent export' can still read this one",
            )
    layers: dict[int, LayerScript] = {}
    links: list[LinkChange] = []
    faults: list[tuple[float, str]] = []
    begin_s, reason = 0.0, "the recording ends"
    for at_s, event in recording.events:
        match event.kind:
            case "job_started":
                begin_s = at_s
            case "job_done":
                reason = event.text
            case "link_up" | "link_down":
                links.append(LinkChange(at_s, event.kind == "link_up", event.text))
            case "fault":
                faults.append((at_s, event.text))
            case _:
                _note(layers, at_s, event)
    _add_windows(layers, recording)
    with_map = recording.maps
    whole = [each for _, each in sorted(layers.items()) if each.layer in with_map and each.windows]
    if not whole:
        raise RecordingError(
            "no layer can be printed again",
            where=str(recording.path),
            why="a map and a window at least must be recorded",
            remedy="take another recording",
        )
    kept = {each.layer for each in whole}
    return Script(begin_s, whole, links, faults, reason, [layer for layer in recording.layers if layer not in kept])


def _note(layers: dict[int, LayerScript], at_s: float, event: Event) -> None:
    if event.layer is None:
        return
    if event.kind == "spreading":
        layers[event.layer] = LayerScript(event.layer, at_s, float(event.values.get("seconds", 0.0)), at_s, at_s)
    elif event.kind == "layer_ready":
        script = layers.setdefault(event.layer, LayerScript(event.layer, at_s, 0.0, at_s, at_s))
        script.ready_at_s = script.map_at_s = at_s
    elif event.kind == "map_taken" and event.layer in layers:
        layers[event.layer].map_at_s = at_s


def _add_windows(layers: dict[int, LayerScript], recording: Recording) -> None:
    for window in recording.windows:
        script = layers.get(window.layer)
        if script is None:  # its beginning was in a file that is gone
            at_s = window.started_s
            script = layers[window.layer] = LayerScript(window.layer, at_s, 0.0, at_s, at_s)
        script.windows[window.window] = window
        if window.source != "coordinator":
            script.forced.append(window.window)
    for script in layers.values():
        script.forced.sort()


@dataclass(frozen=True, slots=True)
class Durations:
    """How long cells take. `told_s`: as the machine told before, which deadlines follow; `really_s`: as it took."""

    told_s: list[float]
    really_s: list[float]


def durations_of(script: LayerScript, part: Part) -> Durations:
    """Return how long each cell of a layer took; what was not recorded follows from the part's own lengths."""
    lengths_s = [int(length) * part.process.step_s for length in part.geometry_of(script.layer).lengths]
    really = {window.cell: window.finished_s - window.started_s for window in script.windows.values()}
    told: dict[int, float] = {}
    for number, window in script.windows.items():
        after = script.windows.get(number + 1)
        if after is not None:
            told[window.cell] = after.deadline_s - window.started_s + window.guard_ms / 1e3
    ratio = median([took_s / lengths_s[cell] for cell, took_s in really.items()])
    really_s = [really.get(cell, length_s * ratio) for cell, length_s in enumerate(lengths_s)]
    return Durations([told.get(cell, took_s) for cell, took_s in enumerate(really_s)], really_s)
