"""The recorder of an agent, from its configuration: what every file says of job, part and settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.configuration import AgentConfiguration
from agent.observers import Observers, RecordingStopped
from agent.recorder.channels import CONFIGURATION, MANIFEST, JobHeader
from agent.recorder.recorder import Limits, Recorder
from agent.recorder.writing import Disk
from cosmic import __version__
from cosmic.config_commands import shown
from protocol.limits import SUBPROTOCOL
from thermal.manifest import canonical_bytes
from thermal.part import Part


def make_recorder(
    settings: AgentConfiguration, job: str, part: Part, observers: Observers, disk: Disk | None = None
) -> Recorder | None:
    """Return the recorder that the settings ask for, listening to `observers`; None where nothing is kept.

    Raises ConfigurationError without the extra `recording`.
    """
    if not settings.recording.directory:
        return None
    now = datetime.now(UTC)  # a label: nothing is decided by it
    header = JobHeader(
        job=job,
        part=part.name,
        digest=part.digest,
        printer=settings.printer.name,
        started=now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        started_ns=int(now.timestamp()) * 1_000_000_000 + now.microsecond * 1_000,
        agent=__version__,
        protocol=SUBPROTOCOL,
    )
    recorder = Recorder(
        Limits(
            directory=Path(settings.recording.directory),
            bytes_max=settings.recording.bytes_max,
            file_bytes_max=settings.recording.file_bytes_max,
            flush_s=settings.recording.flush_ms / 1e3,
            sync=settings.recording.sync,
        ),
        header,
        {MANIFEST: canonical_bytes(part.manifest), CONFIGURATION: msgspec.json.encode(without_secrets(settings))},
        guard_s=settings.printer.guard_ms / 1e3,
        disk=disk,
        stopped=lambda cause, remedy: observers.tell(RecordingStopped(cause, remedy)),
    )
    observers.add(recorder)
    return recorder


def without_secrets(settings: AgentConfiguration) -> dict[str, Any]:
    """Return every setting, as JSON; passwords in addresses are hidden. Other secrets stand in files anyway."""
    document = _hidden(msgspec.to_builtins(settings))
    assert isinstance(document, dict)
    return document


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(each) for key, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else shown(value)
