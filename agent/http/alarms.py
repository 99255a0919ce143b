"""What a person should know of, in words, and what to do about it. Pure: facts in, alarms out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.http.state import Alarm
from agent.keeper import Outcome

FALLBACK_REMEDY: Mapping[Outcome, str] = {
    Outcome.FALLBACK_TIMEOUT: (
        "look at the decisions ahead; unset uplink.lookahead for the whole layer, or add workers"
    ),
    Outcome.FALLBACK_DISCONNECTED: "restore the link to the coordinator; the layer is joined anew when it is back",
    Outcome.FALLBACK_REJECTED: "compare the versions of agent and coordinator, and report this with the log",
    Outcome.FALLBACK_MACHINE: "look at the machine and its driver: it scanned what it was not handed",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What alarms follow from.

    Attributes:
        fault: the machine's words, empty without a fault.
        link_down: why the link is down, None while it is up or not configured.
        fallbacks: windows of the layer without a decision in time, by outcome.
        fallback_cause: the last one's cause in words.
        late: windows of the layer whose cell was handed over after the cell before had ended.
        no_frame: why the layer's map is not the camera's, empty where it is.
        map_from: where it came from instead.
        recording_stopped: why recording stopped, empty where it did not.
        loop_lag_ms: latest that a timer was.
        guard_ms: the guard before a window's end.
    """

    fault: str = ""
    link_down: str | None = None
    fallbacks: Mapping[Outcome, int] = field(default_factory=dict)
    fallback_cause: str = ""
    late: int = 0
    no_frame: str = ""
    map_from: str = ""
    recording_stopped: str = ""
    loop_lag_ms: float = 0.0
    guard_ms: float = 5.0


def alarms(facts: Facts) -> list[Alarm]:
    """Return the alarms, the worst first."""
    return sorted(_alarms(facts), key=lambda alarm: alarm.level != "alarm")


def _alarms(facts: Facts) -> Iterator[Alarm]:
    if facts.fault:
        yield Alarm(
            kind="machine_fault",
            level="alarm",
            text=f"The machine reports a fault: {facts.fault}",
            remedy="look at the machine; the agent goes on as soon as the machine does",
        )
    if facts.late:
        yield Alarm(
            kind="late",
            level="alarm",
            text=f"{_windows(facts.late)} of this layer got the cell too late: the laser waited for it",
            remedy="raise printer.guard_ms, or take load from this computer",
        )
    if facts.link_down is not None:
        yield Alarm(
            kind="link_down",
            level="warning",
            text=f"The coordinator cannot be reached: {facts.link_down or 'no answer yet'}."
            " Printing goes on with what was decided, then with the fallback order",
            remedy="check that the coordinator runs, the network, and uplink.url",
        )
    yield from _of_fallbacks(facts)
    if facts.no_frame:
        yield Alarm(
            kind="no_frame",
            level="warning",
            text=f"The camera gave no map of this layer: {facts.no_frame}. The {facts.map_from} map stands in",
            remedy="check the camera with: cosmic-agent capture once --plot frame.png",
        )
    if facts.recording_stopped:
        yield Alarm(
            kind="recording_stopped",
            level="warning",
            text=f"Recording has stopped: {facts.recording_stopped}. Printing goes on",
            remedy="free disk space, or change recording.directory",
        )
    if facts.loop_lag_ms > facts.guard_ms:
        yield Alarm(
            kind="loop_lag",
            level="warning",
            text=f"The agent ran up to {facts.loop_lag_ms:.1f} ms late; the guard is {facts.guard_ms:g} ms",
            remedy="take load from this computer, or raise printer.guard_ms",
        )


def _of_fallbacks(facts: Facts) -> Iterator[Alarm]:
    total = sum(facts.fallbacks.values())
    if not total:
        return
    most = max(facts.fallbacks, key=lambda outcome: facts.fallbacks[outcome])
    cause = facts.fallback_cause or most.value
    yield Alarm(
        kind="fallbacks",
        level="warning",
        text=f"{_windows(total)} of this layer not scanned as the coordinator decided: {cause}",
        remedy=FALLBACK_REMEDY[most],
    )


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count} windows"
