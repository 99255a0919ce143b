"""The part that was printed, known by its digest: named, where it was then, from the cache, or fetched."""

from __future__ import annotations

import os
from pathlib import Path

from agent.configuration import AgentConfiguration, Printer, Uplink
from agent.part_source import find_part
from agent.recorder.errors import OtherPart, RecordingError
from agent.recorder.reading import Recording
from agent.uplink.credentials import read_token, tls_context
from cosmic.errors import PartError
from thermal.part import Part, load_part


def part_of(recording: Recording, folder: Path | None, against: Uplink | None) -> Part:
    """Return the part with the digest that was printed.

    folder: where it is said to be; None: looked for where it was then and in the caches, else fetched from the
        coordinator `against`.
    Raises OtherPart, PartError, RefusedError; RecordingError where it is nowhere.
    """
    digest = recording.header.digest
    if folder is not None:
        return _checked(load_part(folder), recording, folder)
    printer = recording.configuration.get("printer")
    was = printer if isinstance(printer, dict) else {}
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cosmic" / "parts"
    for place in (was.get("part"), Path(str(was.get("parts_directory") or cache)) / digest, cache / digest):
        if place and (Path(place) / "part.json").is_file():
            try:
                found = load_part(Path(place))
            except PartError:
                continue
            if found.digest == digest:
                return found
    if against is None:
        raise RecordingError(
            f"the part {recording.header.part!r} that was printed is not here",
            where=str(recording.path),
            why=f"its digest is {digest}",
            remedy="name its folder with --part, or a coordinator to fetch it from with --against",
        )
    settings = AgentConfiguration(printer=Printer(part=digest, parts_directory=str(cache)), uplink=against)
    return find_part(settings, read_token(against), tls_context(against))


def _checked(part: Part, recording: Recording, folder: Path) -> Part:
    if part.digest != recording.header.digest:
        raise OtherPart(
            f"this is another part: {part.name!r} with digest {part.digest[:12]}",
            where=str(folder),
            why=f"printed was {recording.header.part!r} with digest {recording.header.digest[:12]}",
            remedy="name the folder of the part that was printed, or leave --part out",
        )
    return part
