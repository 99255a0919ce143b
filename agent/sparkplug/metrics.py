"""What the printer tells a Sparkplug host: its metrics, where each value comes from, and its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from agent.mqtt.payloads import now, payload_of
from agent.sparkplug.schema import DataType
from agent.status import Status, Subject

Number: TypeAlias = int | float
Reading: TypeAlias = Number | bool | str | None
"""A metric's value, None where it is not known."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its `name`, `kind`, `unit` (empty for none), and the `field` of the topic `subject` it shows."""

    name: str
    kind: DataType
    subject: Subject
    field: str
    unit: str = ""


METRICS: tuple[Metric, ...] = (
    Metric("State", DataType.STRING, Subject.STATE, "state"),
    Metric("Fault", DataType.STRING, Subject.STATE, "fault"),
    Metric("Loading", DataType.INT64, Subject.STATE, "loading_percent", "%"),
    Metric("Job/Name", DataType.STRING, Subject.JOB, "job"),
    Metric("Job/Part", DataType.STRING, Subject.JOB, "part"),
    Metric("Job/Digest", DataType.STRING, Subject.JOB, "digest"),
    Metric("Job/Layers", DataType.INT64, Subject.JOB, "layers"),
    Metric("Job/Layers Done", DataType.INT64, Subject.JOB, "layers_done"),
    Metric("Job/Windows", DataType.INT64, Subject.JOB, "windows"),
    Metric("Job/Fallbacks", DataType.INT64, Subject.JOB, "fallbacks"),
    Metric("Job/End Reason", DataType.STRING, Subject.JOB, "reason"),
    Metric("Layer/Number", DataType.INT64, Subject.LAYER, "layer"),
    Metric("Layer/Windows", DataType.INT64, Subject.LAYER, "windows"),
    Metric("Layer/Fallbacks", DataType.INT64, Subject.LAYER, "fallbacks"),
    Metric("Layer/Uniformity", DataType.DOUBLE, Subject.LAYER, "uniformity"),
    Metric("Layer/Starved", DataType.DOUBLE, Subject.LAYER, "starved_ms", "ms"),
    Metric("Layer/Slack Minimum", DataType.DOUBLE, Subject.LAYER, "slack_ms_min", "ms"),
    Metric("Layer/Map From", DataType.STRING, Subject.LAYER, "map_from"),
    Metric("Link/State", DataType.STRING, Subject.LINK, "link"),
    Metric("Link/Engine", DataType.STRING, Subject.LINK, "engine"),
    Metric("Link/Cause", DataType.STRING, Subject.LINK, "cause"),
    Metric("Workers/Total", DataType.INT64, Subject.WORKERS, "workers"),
    Metric("Workers/Cold", DataType.INT64, Subject.WORKERS, "cold"),
    Metric("Workers/Reloaded", DataType.INT64, Subject.WORKERS, "reloaded"),
)
"""All of them, in the order of their aliases, which begin with 1."""


def readings(status: Status) -> list[Reading]:
    """Return the value of every metric of METRICS, as they are now."""
    told = {
        subject: payload_of(status, subject, time=now(), events_dropped=0)
        for subject in {metric.subject for metric in METRICS}
    }
    return [getattr(told[metric.subject], metric.field, None) for metric in METRICS]
