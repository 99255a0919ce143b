"""What a recording holds: one type a channel, JSON on disk, its schema beside it. Versions are part of the names.

A field that is not known is left out. Times ending in `_s` are seconds since the recording began; every message has
besides its own time (MCAP's log time), UTC in ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

FORMAT = 1
"""Version of the whole: a reader refuses a higher one."""

PROFILE = "cosmic"
"""MCAP's profile: by it a recording of ours is known."""

JOB = "cosmic.job"
"""Name of the metadata record with what `JobHeader` says."""

MANIFEST = "part.json"
"""Attachment: the part's manifest."""

CONFIGURATION = "configuration.json"
"""Attachment: every setting that was in force, without secrets."""


class JobHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What was printed by whom: metadata at the beginning of every file of a recording."""

    job: str
    """Name of the job."""
    part: str
    """Name of the part."""
    digest: str
    """SHA-256 hex of the part's manifest."""
    printer: str
    """Name of the printer."""
    started: str
    """When the recording began, UTC, RFC 3339."""
    started_ns: int
    """The same, ns since 1970."""
    file: int = 1
    """Which file of the recording this is, from 1: files are rotated by size."""
    format: int = FORMAT
    """Version of the format."""
    agent: str = ""
    """Version of the agent."""
    protocol: str = ""
    """Version of the protocol with the coordinator."""


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all channels share: fields at their default are left out."""


class Window(Channel, frozen=True, kw_only=True, omit_defaults=True):
    """A window: which cell, who chose it and how near the deadline was. Written when its cell has ended."""

    layer: int
    window: int
    cell: int
    source: str
    """`coordinator` or `fallback`."""
    outcome: str
    """`on_time`, `fallback_timeout`, `fallback_disconnected` or `fallback_rejected`."""
    epoch: int
    slack_ms: float
    """Time left until the deadline at the hand-over."""
    guard_ms: float
    """How long before the end of the cell before the deadline lies."""
    deadline_s: float
    """When the cell had to be with the driver."""
    started_s: float
    """When the laser began the cell."""
    finished_s: float
    """When the laser ended the cell."""
    loop_lag_ms: float = 0.0
    """How late the agent's event loop was at most since the window before."""
    link: str = "down"
    """`up` or `down`, when the cell ended."""
    fallback_order: str = ""
    """The fallback order that chose."""
    decided_ms_ahead: float | None = None
    """How long before the deadline the decision had come."""
    uniformity_predicted: float | None = None
    """R that the coordinator predicted for the window's end."""
    cause: str = ""
    """Why there was a fallback, in words."""


class Decision(Channel, frozen=True, kw_only=True, omit_defaults=True):
    """A decision as it came from the coordinator, whether it counted or not."""

    layer: int
    epoch: int
    window: int
    cell: int
    compute_ms: float | None = None
    """What it took the coordinator."""
    uniformity: float | None = None
    """R predicted for the window's end."""
    drop: str = ""
    """Why it did not count."""


class Event(Channel, frozen=True, kw_only=True, omit_defaults=True):
    """Something happened: at the printer, on the link, at the camera, in the recording itself."""

    kind: str
    layer: int | None = None
    text: str = ""
    """For a reader: a cause, a reason."""
    values: dict[str, Any] = {}
    """What belongs to the kind."""


class Map(Channel, frozen=True, kw_only=True, omit_defaults=True):
    """The layer's first map, bit for bit as it was sent to the coordinator."""

    layer: int
    map_from: str
    """`camera`, `predicted` or `ambient`."""
    elements: int
    """Length of the map; elements are in row-major order of the part's grid."""
    data: str
    """The coded map, base64."""
    coding: str = "delta-planes-zstd"
    """How `data` is coded."""
    dtype: str = "<f4"
    """Of the decoded values."""
    units: str = "K"
    """Of the decoded values."""


class LogLine(Channel, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the agent's log. Lines of windows, layers and the job stand on the other channels."""

    level: str
    event: str
    fields: dict[str, Any] = {}


CHANNELS: Mapping[str, type[Channel]] = {
    "map": Map,
    "decision": Decision,
    "window": Window,
    "event": Event,
    "log": LogLine,
}
"""Every channel's topic and what it carries."""

VERSIONS: Mapping[str, int] = {"map": 1, "decision": 1, "window": 1, "event": 1, "log": 1}
"""Version of every channel: raised when what it carries is read otherwise than before."""

EVENTS: Mapping[str, str] = {
    "job_started": "the printer begins; `layers`",
    "spreading": "powder is laid; `seconds`",
    "layer_ready": "the powder lies, a first cell is wanted; `cells`, `deadline_s`",
    "map_taken": "the layer's map is there; `map_from`, and in `text` why it is not the camera's",
    "layer_done": "over; `starved_ms`, `first_cell_ms`, `map_from`, `epochs`, `windows`, `fallbacks`, `cells`",
    "job_done": "the job is over; the reason in `text`, `layers`, `windows`, `fallbacks`, `dropped`",
    "fault": "the machine reports a fault, in `text`",
    "coordinator_configured": "a coordinator will be asked",
    "loading": "how far the coordinator's loading is; `done`, `total`",
    "link_up": "the coordinator has the job; `engine`",
    "link_down": "the coordinator is out of reach, or refuses; the cause in `text`",
    "warm": "what keep-warm found; `workers`, `cold`, `reloaded`",
    "coordinator_failed": "the coordinator could not do something; `code`, its words in `text`",
    "rejoined": "a coordinator joined in the layer; the new `epoch`, how many cells were `printed`",
    "stopping": "the agent was told to stop, by what in `text`",
    "recording_gap": "messages were lost because the disk was too slow; `lost`",
}
"""Kinds of events and what belongs to them. Readers skip kinds that they do not know."""


def schema_name(topic: str) -> str:
    """Return the name of a channel's schema, with its version."""
    return f"cosmic.{topic}.v{VERSIONS[topic]}"


def json_schema(kind: type[Channel]) -> dict[str, Any]:
    """Return the JSON schema of a channel as one object, without references, as viewers of MCAP want it."""
    (_,), components = msgspec.json.schema_components([kind], ref_template="{name}")
    schema = _inlined(components[kind.__name__], components)
    assert isinstance(schema, dict)
    if kind is Map:
        schema["properties"]["data"]["contentEncoding"] = "base64"
    return schema


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(components[schema["$ref"]], components)
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:  # what is None is left out
        return _inlined(kinds[0], components)
    return {key: _inlined(value, components) for key, value in schema.items() if key != "title"}
