"""What is published, as JSON: one Struct a topic. `time` is a label (UTC, RFC 3339): nothing is decided by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from agent.status import Status, StatusEvent, Subject


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What all payloads share."""

    time: str
    """When it was true, UTC, RFC 3339; an event: when it happened."""


class StatePayload(Payload, frozen=True, kw_only=True):
    """What the printer does."""

    state: str
    """`idle`, `loading`, `warming`, `printing`, `degraded` or `fault`."""
    fault: str
    """The machine's words for its fault, empty without one."""
    loading_percent: int
    """How far the coordinator's loading is."""
    events_dropped: int
    """Events since the agent's start that were dropped, oldest first, because the broker did not take them."""


class JobPayload(Payload, frozen=True, kw_only=True):
    """The job in progress, or the one that ended last."""

    job: str
    part: str
    digest: str
    """The part's digest."""
    layers: int
    layers_done: int
    windows: int
    """Windows of the layers done."""
    fallbacks: int
    """Windows of the layers done that the fallback order decided."""
    reason: str
    """Why the job ended, empty while it goes on."""


class LayerPayload(Payload, frozen=True, kw_only=True):
    """The layer that ended last; nothing is retained before the first layer of a job has ended."""

    layer: int
    windows: int
    fallbacks: int
    uniformity: float | None
    """R predicted for the layer's end (divided by T_melt); null where it was not known."""
    starved_ms: float
    """How long the laser stood still for want of a cell."""
    slack_ms_min: float | None
    """Least time left until a deadline at a hand-over; negative: it was late."""
    map_from: str
    """`camera`, `predicted` or `ambient`."""


class LinkPayload(Payload, frozen=True, kw_only=True):
    """The link to the coordinator."""

    link: str
    """`up`, `down`, or `none` where no coordinator is configured."""
    engine: str
    """What the coordinator computes with, empty while the link is down."""
    cause: str
    """Why it is down."""


class WorkersPayload(Payload, frozen=True, kw_only=True):
    """What keep-warm found before a layer."""

    layer: int
    workers: int
    cold: int
    reloaded: int


class EventPayload(Payload, frozen=True, kw_only=True):
    """Something happened."""

    kind: str
    """`job_started`, `job_done`, `link_up`, `link_down`, `fallbacks`, `no_frame`, `fault` or `stopping`."""
    text: str
    layer: int | None


StatusPayload: TypeAlias = StatePayload | JobPayload | LayerPayload | LinkPayload | WorkersPayload

TOPICS: Mapping[Subject, type[StatusPayload]] = {
    Subject.STATE: StatePayload,
    Subject.JOB: JobPayload,
    Subject.LAYER: LayerPayload,
    Subject.LINK: LinkPayload,
    Subject.WORKERS: WorkersPayload,
}
"""The retained topics and what they carry."""


def now() -> str:
    """Return the wall time as a label, UTC, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload_of(status: Status, subject: Subject, *, time: str, events_dropped: int) -> StatusPayload | None:
    """Return what is to be published of `subject`, None where nothing is known."""
    match subject:
        case Subject.STATE:
            return StatePayload(
                time=time,
                state=status.state.value,
                fault=status.fault,
                loading_percent=round(100.0 * status.loading),
                events_dropped=events_dropped,
            )
        case Subject.JOB:
            job = status.job
            return (
                None
                if job is None
                else JobPayload(
                    time=time,
                    job=job.name,
                    part=job.part,
                    digest=job.digest,
                    layers=job.layers,
                    layers_done=job.layers_done,
                    windows=job.windows,
                    fallbacks=job.fallbacks,
                    reason=job.reason,
                )
            )
        case Subject.LAYER:
            layer = status.layer
            return (
                None
                if layer is None
                else LayerPayload(
                    time=time,
                    layer=layer.layer,
                    windows=layer.windows,
                    fallbacks=layer.fallbacks,
                    uniformity=layer.uniformity,
                    starved_ms=layer.starved_ms,
                    slack_ms_min=layer.slack_ms_min,
                    map_from=layer.map_from,
                )
            )
        case Subject.LINK:
            link = status.link
            word = ("up" if link.up else "down") if link.configured else "none"
            return LinkPayload(time=time, link=word, engine=link.engine, cause=link.cause)
        case Subject.WORKERS:
            found = status.workers
            return (
                None
                if found is None
                else WorkersPayload(
                    time=time, layer=found.layer, workers=found.workers, cold=found.cold, reloaded=found.reloaded
                )
            )


def event_payload(event: StatusEvent, *, time: str) -> EventPayload:
    """Return what is to be published of `event`."""
    return EventPayload(time=time, kind=event.kind, text=event.text, layer=event.layer)
