"""From a recording to what a report says without the part: who, when, outcomes, slack, link, workers. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from agent.http.alarms import FALLBACK_REMEDY
from agent.keeper import Outcome
from agent.recorder.channels import Event, Window
from agent.recorder.reading import Recording
from agent.report.figures import FallbackGroup, Job, LinkStretch, Slack, Workers, slack_of


@dataclass(slots=True)
class LayerRead:
    """A layer as it stands in the recording.

    Attributes:
        layer: the layer.
        windows: those recorded, by number.
        events: the last event of every kind.
        compute_ms: what the decisions took that counted.
    """

    layer: int
    windows: dict[int, Window] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    compute_ms: list[float] = field(default_factory=list)

    @property
    def in_order(self) -> list[Window]:
        """The windows from the first one on, up to the first that is missing."""
        found: list[Window] = []
        while (window := self.windows.get(len(found))) is not None:
            found.append(window)
        return found

    @property
    def order(self) -> list[int]:
        """Their cells."""
        return [window.cell for window in self.in_order]

    def said(self, kind: str, key: str) -> float | None:
        """Return a number that an event told, None where it did not."""
        event = self.events.get(kind)
        value = None if event is None else event.values.get(key)
        return value if isinstance(value, int | float) else None

    def compute_median_ms(self) -> float | None:
        """Return the median of what decisions took."""
        return round(median(self.compute_ms), 3) if self.compute_ms else None


def layers_of(recording: Recording) -> list[LayerRead]:
    """Return the layers of which something is recorded, in order."""
    layers = {layer: LayerRead(layer) for layer in recording.layers}
    for window in recording.windows:
        layers[window.layer].windows[window.window] = window
    for _, event in recording.events:
        if event.layer is not None:
            layers[event.layer].events[event.kind] = event
    for _, decision in recording.decisions:
        if not decision.drop and decision.compute_ms is not None:
            layers[decision.layer].compute_ms.append(decision.compute_ms)
    return list(layers.values())


def job_of(recording: Recording) -> Job:
    """Return what was printed by whom."""
    header = recording.header
    events = recording.events
    started = next((event for _, event in events if event.kind == "job_started"), None)
    done = next((event for _, event in events if event.kind == "job_done"), None)
    engines = [str(event.values.get("engine", "")) for _, event in events if event.kind == "link_up"]
    planned = None if started is None else started.values.get("layers")
    return Job(
        job=header.job,
        part=header.part,
        digest=header.digest,
        printer=header.printer,
        started=header.started,
        duration_s=round(end_s(recording), 3),
        layers_planned=planned if isinstance(planned, int) else None,
        ended=done is not None,
        reason="" if done is None else done.text,
        engine=next((engine for engine in reversed(engines) if engine), ""),
        agent=header.agent,
        protocol=header.protocol,
        format=header.format,
        faults=[event.text for _, event in events if event.kind == "fault"],
    )


def end_s(recording: Recording) -> float:
    """Return when the last thing happened, seconds since the recording began."""
    return max((each.at_s for each in recording.messages), default=0.0)


def slack_figures(windows: list[Window]) -> Slack:
    """Return the slack of windows; first windows of layers are left out."""
    counted = [window for window in windows if window.window > 0]
    return slack_of([window.slack_ms for window in counted], [window.guard_ms for window in windows])


def fallbacks_of(windows: list[Window]) -> list[FallbackGroup]:
    """Return the fallbacks by outcome and cause, the most frequent first."""
    groups: dict[tuple[str, str], list[Window]] = {}
    for window in windows:
        if window.outcome != Outcome.ON_TIME.value:
            groups.setdefault((window.outcome, window.cause), []).append(window)
    found = [
        FallbackGroup(
            outcome=outcome,
            cause=cause,
            remedy=_remedy(outcome),
            windows=len(each),
            layers=sorted({window.layer for window in each}),
            orders=sorted({window.fallback_order for window in each if window.fallback_order}),
            first_layer=each[0].layer,
            first_window=each[0].window,
        )
        for (outcome, cause), each in groups.items()
    ]
    return sorted(found, key=lambda group: -group.windows)


def _remedy(outcome: str) -> str:
    try:
        return FALLBACK_REMEDY.get(Outcome(outcome), "")
    except ValueError:  # of a later version
        return ""


def link_of(recording: Recording) -> list[LinkStretch]:
    """Return the times in which the link was up and down, from the first word of it to the end."""
    changes = [(at_s, event) for at_s, event in recording.events if event.kind in ("link_up", "link_down")]
    last_s = end_s(recording)
    stretches: list[LinkStretch] = []
    for number, (at_s, event) in enumerate(changes):
        to_s = changes[number + 1][0] if number + 1 < len(changes) else last_s
        up = event.kind == "link_up"
        if stretches and stretches[-1].up == up and (up or stretches[-1].text == event.text):
            before = stretches.pop()
            at_s = before.from_s  # noqa: PLW2901  the same stretch goes on
        stretches.append(LinkStretch(from_s=round(at_s, 3), to_s=round(max(to_s, at_s), 3), up=up, text=event.text))
    return stretches


def losses_of(stretches: list[LinkStretch]) -> int:
    """Return how often the link went down after it had been up."""
    return sum(one.up and not other.up for one, other in pairwise(stretches))


def workers_of(recording: Recording) -> list[Workers]:
    """Return what keep-warm told, in order."""
    return [
        Workers(
            layer=event.layer,
            workers=_count(event, "workers"),
            cold=_count(event, "cold"),
            reloaded=_count(event, "reloaded"),
        )
        for _, event in recording.events
        if event.kind == "warm"
    ]


def _count(event: Event, key: str) -> int:
    value = event.values.get(key)
    return value if isinstance(value, int) else 0


def dropped_of(recording: Recording) -> dict[str, int]:
    """Return how many decisions did not count, by reason."""
    return dict(Counter(decision.drop for _, decision in recording.decisions if decision.drop))


def has_coordinator(recording: Recording) -> bool:
    """Return whether a coordinator was to be asked."""
    asked = any(event.kind in ("coordinator_configured", "link_up", "link_down") for _, event in recording.events)
    return asked or bool(recording.decisions)
