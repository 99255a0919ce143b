"""Reads recordings: whole ones, rotated ones, those that a kill or a full disk cut short, and older versions.

What can be read is read. What is missing or damaged is said as a `Problem`. Only a file that is no recording, or
one that a newer version wrote, is an error. Needs nothing of the agent but this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.recorder import channels
from agent.recorder.channels import Channel, Decision, Event, JobHeader, LogLine, Map, Window
from agent.recorder.errors import ForeignRecording, NewerRecording, RecordingError
from agent.recorder.files import Damage, Entry, read_entries
from agent.recorder.maps import decode_map
from agent.recorder.shelf import FileName, files_of, recordings_in
from cosmic.undecodable import UNDECODABLE


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a recording that could be read all the same.

    `kind`: `truncated`, `damaged`, `missing_file`, `lost`, `backwards` (times), `unknown_channel`.
    """

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Timed:
    """A message and its time, seconds since the recording began."""

    at_s: float
    message: Channel


@dataclass(slots=True)
class Recording:
    """A recording in memory. Maps stay coded until they are asked for.

    Attributes:
        path: its first file.
        header: what was printed by whom.
        manifest: the part's manifest as JSON, empty where the file broke off before it.
        configuration: every setting that was in force.
        messages: everything but maps and log lines, in order.
        maps: the map of every layer that has one, coded.
        log: the log lines, in order.
        problems: what is missing or damaged.
    """

    path: Path
    header: JobHeader
    manifest: bytes = b""
    configuration: dict[str, Any] = field(default_factory=dict)
    messages: list[Timed] = field(default_factory=list)
    maps: dict[int, Map] = field(default_factory=dict)
    log: list[Timed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def windows(self) -> list[Window]:
        """Every window, in the order printed."""
        return [each.message for each in self.messages if isinstance(each.message, Window)]

    @property
    def events(self) -> list[tuple[float, Event]]:
        """Every event with its time, seconds since the recording began."""
        return [(each.at_s, each.message) for each in self.messages if isinstance(each.message, Event)]

    @property
    def decisions(self) -> list[tuple[float, Decision]]:
        """Every decision that came, with its time, seconds since the recording began."""
        return [(each.at_s, each.message) for each in self.messages if isinstance(each.message, Decision)]

    @property
    def layers(self) -> list[int]:
        """The layers of which something is recorded, in order."""
        seen = {layer for each in self.messages if (layer := getattr(each.message, "layer", None)) is not None}
        return sorted(seen | set(self.maps))

    def map_K(self, layer: int) -> NDArray[np.float32]:
        """Return the first map of `layer`, float32[n], kelvin, bit for bit as the coordinator got it.

        Raises RecordingError where there is none.
        """
        coded = self.maps.get(layer)
        if coded is None:
            known = sorted(self.maps)
            raise RecordingError(
                f"there is no map of layer {layer}",
                where=str(self.path),
                why=f"there are maps of layers {_spans(known)}" if known else "there is no map at all",
                remedy="name one of them",
            )
        return decode_map(coded.data, coded.elements, coded.coding)


def find(path: Path) -> Path:
    """Return the recording that `path` names: a file, or the newest of a folder that holds one job's.

    Raises RecordingError when there is none, or a folder holds the recordings of several jobs.
    """
    if not path.is_dir():
        if not path.is_file():
            raise RecordingError("there is no such recording", where=str(path), remedy="check the path")
        return path
    found = recordings_in(path)
    if not found:
        raise RecordingError("there is no recording in this folder", where=str(path), remedy="name a file *.mcap")
    jobs = sorted({each.parent.name for each in found})
    if len(jobs) > 1:
        raise RecordingError(
            f"this folder holds recordings of {len(jobs)} jobs",
            where=str(path),
            why=", ".join(jobs[:10]),
            remedy="name one job's folder, or a file",
        )
    return found[-1]


def read(path: Path) -> Recording:
    """Read the recording that `path` names, with all its rotated files.

    Raises ForeignRecording or NewerRecording; RecordingError where nothing can be read.
    """
    files = files_of(find(path))
    recording: Recording | None = None
    clock = _Clock()
    number = 0
    for file in files:
        header, entries, damage = _begin(file)
        if recording is None:
            recording = Recording(file, header)
        number = _check_number(recording, header.file, number, file)
        _read_file(recording, entries, clock, file)
        recording.problems += [Problem(each.kind, _place(file, each), each.text) for each in damage]
    assert recording is not None
    return recording


class _Clock:
    """Sees times that run backwards."""

    def __init__(self) -> None:
        self.last_ns = 0
        self.said = False


def _begin(file: Path) -> tuple[JobHeader, Iterator[Entry], list[Damage]]:
    damage: list[Damage] = []
    entries = iter(read_entries(file, damage))
    first = next(entries, None)
    if first is None:
        raise RecordingError(
            "nothing can be read",
            where=str(file),
            why=damage[0].text if damage else "",
            remedy="it is no use any more",
        )
    if first.kind != "metadata" or first.name != channels.JOB:
        raise ForeignRecording(
            "this is an MCAP file, but no recording of a job",
            where=str(file),
            why=f"it begins with {first.kind} {first.name!r}",
            remedy="name a file that 'cosmic-agent run' wrote",
        )
    version = first.values.get("format", "")
    if not version.isdigit() or int(version) > channels.FORMAT:
        raise NewerRecording(
            f"a newer version wrote it: format {version!r}, agent {first.values.get('agent', '?')}",
            where=str(file),
            why=f"this version reads up to format {channels.FORMAT}",
            remedy="update the agent",
        )
    try:
        header = msgspec.convert(first.values, JobHeader, strict=False)
    except UNDECODABLE as error:
        raise ForeignRecording(f"its header cannot be used: {error}", where=str(file)) from error
    return header, entries, damage


def _check_number(recording: Recording, number: int, before: int, file: Path) -> int:
    if number != before + 1:
        text = (
            f"file {before + 1} is missing"
            if number == before + 2
            else f"files {before + 1} to {number - 1} are missing"
        )
        recording.problems.append(
            Problem("missing_file", file.name, text + ": removed to make room, or not copied")
        )
    return number


def _read_file(recording: Recording, entries: Iterable[Entry], clock: _Clock, file: Path) -> None:
    unknown: set[str] = set()
    for entry in entries:
        if entry.kind == "attachment":
            _attach(recording, entry, file)
        elif entry.kind == "message":
            decoder = _DECODERS.get(entry.schema)
            if decoder is None:
                unknown.add(entry.schema)
                continue
            try:
                message = decoder.decode(entry.content)
            except UNDECODABLE as error:
                recording.problems.append(Problem("damaged", file.name, f"a message of {entry.name!r}: {error}"))
                continue
            _take(recording, entry, message, clock, file)
    recording.problems += [
        Problem("unknown_channel", file.name, f"{schema!r} is not known to this version, and left out")
        for schema in sorted(unknown)
    ]


def _attach(recording: Recording, entry: Entry, file: Path) -> None:
    if entry.name == channels.MANIFEST:
        recording.manifest = entry.content
    elif entry.name == channels.CONFIGURATION:
        try:
            recording.configuration = msgspec.json.decode(entry.content, type=dict[str, Any])
        except UNDECODABLE as error:
            recording.problems.append(Problem("damaged", file.name, f"its configuration: {error}"))


def _take(recording: Recording, entry: Entry, message: Channel, clock: _Clock, file: Path) -> None:
    at_s = (entry.log_ns - recording.header.started_ns) / 1e9
    if entry.log_ns < clock.last_ns and not clock.said:
        back_s = (clock.last_ns - entry.log_ns) / 1e9
        text = f"times run backwards by {back_s:g} s at {at_s:.3f} s of the recording"
        recording.problems.append(Problem("backwards", file.name, text))
        clock.said = True
    clock.last_ns = entry.log_ns
    if isinstance(message, Map):
        recording.maps[message.layer] = message
    else:
        (recording.log if isinstance(message, LogLine) else recording.messages).append(Timed(at_s, message))
    if isinstance(message, Event) and message.kind == "recording_gap":
        text = f"{message.values.get('lost', '?')} messages were lost at {at_s:.3f} s: the disk was too slow"
        recording.problems.append(Problem("lost", file.name, text))


def _place(file: Path, damage: Damage) -> str:
    return f"{file.name} at byte {damage.at_byte}"


def _spans(numbers: list[int]) -> str:
    """Return numbers in words: 0-3, 7."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    channels.schema_name(topic): msgspec.json.Decoder(kind) for topic, kind in channels.CHANNELS.items()
}
"""How to read every version of every channel that this version knows, by the schema's name."""

__all__ = ["FileName", "Problem", "Recording", "Timed", "find", "read"]
