"""What a struck job came to: read from the agent's log lines and from what it recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.recorder.reading import Recording, read
from agent.recorder.shelf import recordings_in
from tests.faults.processes import Line, Process
from tests.faults.stage import Stage
from thermal.order import order_layer
from thermal.part import Part


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one row.

    Attributes:
        layers: layers printed.
        windows: windows of them.
        outcomes: windows by outcome.
        late: windows whose cell came after the one before had ended: the laser waited.
        every_cell_once: whether every layer's order has every cell exactly once.
        orders_checked: layers whose decided cells were compared with SmartScan's.
        orders_equal: of these, layers in which all were the same.
        lost: windows that the agent logged or the machine scanned, and that are in no recording.
        doubled: windows that are in the recordings twice.
        stopped: why the recording stopped, empty where it did not.
        losses: how often the link was lost.
        recovery_s: from the end of the fault to the first decision after it, seconds; None where none came again,
            0 where none was missed.
        states: what the agent's state was, in order.
        alarms: alarms by kind, in words.
        causes: causes of fallbacks, and of lost links, in words.
    """

    layers: int
    windows: int
    outcomes: dict[str, int]
    late: int
    every_cell_once: bool
    orders_checked: int
    orders_equal: int
    lost: int
    doubled: int
    stopped: str
    losses: int
    recovery_s: float | None
    states: list[str] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)

    @property
    def fallbacks(self) -> int:
        """Windows that were not decided by the coordinator."""
        return self.windows - self.outcomes.get("on_time", 0)


def judge(stage: Stage) -> Verdict:
    """Return what the job on `stage` came to."""
    lines = stage.agent.lines
    scanned = orders_of(stage)
    windows = [line for line in lines if line["event"] == "window"]
    layers = [line for line in lines if line["event"] == "layer"]
    recordings = [read(path) for path in recordings_in(stage.recordings)] if stage.recordings.is_dir() else []
    kept = Counter((each.layer, each.window) for one in recordings for each in one.windows)
    known = {(line["layer"], line["window"]) for line in windows}
    known |= {(layer, window) for layer, order in scanned.items() for window in range(len(order))}
    stopped = next((line["cause"] for line in lines if line["event"] == "recording_stopped"), "")
    checked, equal = follow(stage.part, recordings)
    return Verdict(
        layers=len(layers),
        windows=len(windows),
        outcomes=dict(Counter(line["outcome"] for line in windows)),
        late=sum(line["slack_ms"] < -line["guard_ms"] for line in windows),
        every_cell_once=bool(layers)
        and all(whole(stage.part, line["layer"], line["order"]) for line in layers)
        and all(whole(stage.part, layer, order) for layer, order in scanned.items()),
        orders_checked=checked,
        orders_equal=equal,
        lost=len(known - kept.keys()),
        doubled=sum(count - 1 for count in kept.values()),
        stopped=stopped,
        losses=_losses(lines),
        recovery_s=recovery_s(stage, recordings),
        states=stage.seen.states,
        alarms=stage.seen.alarms,
        causes=_causes(lines),
    )


def orders_of(stage: Stage) -> dict[int, list[int]]:
    """Return what a machine of its own process really scanned, by layer; empty where there is none."""
    said = [line for process in stage.beside for line in process.lines if line["event"] == "scanned"]
    return {int(layer): cells for line in said for layer, cells in line["orders"].items()}


def whole(part: Part, layer: int, order: Sequence[int]) -> bool:
    """Return whether `order` has every cell of `layer` exactly once."""
    return sorted(order) == list(range(part.size_of(layer)[1]))


def follow(part: Part, recordings: Sequence[Recording]) -> tuple[int, int]:
    """Return how many layers have a whole record, and in how many every decided cell is SmartScan's."""
    checked = equal = 0
    for recording in recordings:
        for layer in recording.layers:
            windows = sum(window.layer == layer for window in recording.windows)
            if layer in recording.maps and windows == part.size_of(layer)[1]:
                checked += 1
                equal += layer_follows(part, recording, layer)
    return checked, equal


def layer_follows(part: Part, recording: Recording, layer: int) -> bool:
    """Return whether every decided cell is SmartScan's, given the map and the cells scanned before it."""
    windows = [window for window in recording.windows if window.layer == layer]
    map_K = recording.map_K(layer)
    order = [window.cell for window in windows]
    expected: list[int] = []
    for number, window in enumerate(windows):
        if window.source == "fallback":
            expected = []  # known again when a decision follows: what SmartScan says from here on
            continue
        if not expected:
            expected = order_layer(part, layer, map_K, printed=order[:number]).order
        if window.cell != expected[number]:
            return False
    return True


def recovery_s(stage: Stage, recordings: Sequence[Recording]) -> float | None:
    """Return how long after the fault's end a decision came again, seconds; 0.0 where none was missed.

    The link's return is timed by its log line; from there to the first decision by the recording's own times.
    """
    since_s = stage.over_s if stage.over_s is not None else stage.struck_s
    if since_s is None:
        return 0.0
    ups = _after(stage.agent, "up", stage.struck_s)
    if not ups and _after(stage.agent, "down", stage.struck_s):
        return None
    if not recordings:
        return None if ups else 0.0
    if not ups:
        return _decided_again(stage, recordings[-1], since_s)
    recording = recordings[-1]
    after = [at_s for at_s in ups if at_s >= since_s] or ups[-1:]
    returned = [at_s for at_s, event in recording.events if event.kind == "link_up"][-len(after) :]
    decided = [at_s for at_s, decision in recording.decisions if returned and at_s >= returned[0]]
    if not decided:
        return None
    return max(0.0, after[0] - since_s) + decided[0] - returned[0]


def _decided_again(stage: Stage, recording: Recording, since_s: float) -> float | None:
    """Return the same where the link was never lost: until the first decision after the last fallback."""
    ended = [
        at_s for line, at_s in zip(stage.agent.lines, stage.agent.times, strict=True) if line["event"] == "window"
    ]
    windows = [window for window in recording.windows if window.layer == 0]
    fell = [window.started_s for window in windows if window.source == "fallback"]
    if not fell or not ended:
        return 0.0
    offset_s = ended[0] - recording.windows[0].finished_s
    again = [at_s for at_s, decision in recording.decisions if at_s > fell[-1] and not decision.drop]
    return max(0.0, again[0] + offset_s - since_s) if again else None


def _after(agent: Process, link: str, since_s: float | None) -> list[float]:
    """Return when the agent said that the link went `link`, after `since_s`."""
    told = zip(agent.lines, agent.times, strict=True)
    return [
        at_s
        for line, at_s in told
        if line["event"] == "link" and line["link"] == link and (since_s is None or at_s >= since_s)
    ]


def _losses(lines: Sequence[Line]) -> int:
    """Return how often the link went down after it had been up; attempts that fail meanwhile do not count."""
    links = [line["link"] for line in lines if line["event"] == "link"]
    return sum((before, now) == ("up", "down") for before, now in pairwise(links))


def _causes(lines: Sequence[Line]) -> list[str]:
    said = [str(line["cause"]) for line in lines if line.get("cause") and line["event"] in {"window", "link"}]
    return list(dict.fromkeys(said))
