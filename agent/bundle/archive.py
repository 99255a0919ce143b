"""Writes the archive: a .tar.gz that appears whole or not at all."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.bundle.contents import Piece, recordings
from agent.bundle.secrets import Scrubber
from cosmic.errors import ConfigurationError


@dataclass(slots=True)
class Bundled:
    """What was written: `path`, the `files` in it, and what is `missing`, with the cause."""

    path: Path
    files: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def write_bundle(
    path: Path,
    pieces: list[Piece],
    scrubber: Scrubber,
    *,
    recordings_directory: str = "",
    recordings_bytes: int = 0,
    tell: Callable[[str], None] = lambda _name: None,
) -> Bundled:
    """Write `pieces`, and the newest recordings up to `recordings_bytes`, to `path`.

    Recordings hold maps, decisions and the configuration without secrets; they go in as they are.
    Raises ConfigurationError when the archive cannot be written.
    """
    bundled = Bundled(path)
    partial = path.with_name(f".{path.name}.partial")
    root = path.name.removesuffix(".tar.gz")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)  # whom it may concern is for its owner to say
        with gzip.open(partial, "wb", compresslevel=6) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            for piece in pieces:
                tell(piece.name)
                _add_text(archive, root, piece, scrubber, bundled)
            for recording in _newest(recordings_directory, recordings_bytes, bundled):
                tell(recording.name)
                name = f"recordings/{recording.parent.name}/{recording.name}"
                archive.add(recording, f"{root}/{name}")
                bundled.files.append(name)
            missing = "".join(f"{name}: {cause}\n" for name, cause in bundled.missing.items())
            _add(archive, f"{root}/missing.txt", missing or "nothing\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigurationError(
            f"the archive cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="name another place",
        ) from error
    return bundled


def _add_text(archive: tarfile.TarFile, root: str, piece: Piece, scrubber: Scrubber, bundled: Bundled) -> None:
    try:
        text = scrubber.scrub(piece.text())
    except Exception as error:  # noqa: BLE001  in trouble anything may be broken: what can be had is wanted all the more
        bundled.missing[piece.name] = f"{type(error).__name__}: {error}"
        return
    _add(archive, f"{root}/{piece.name}", text)
    bundled.files.append(piece.name)


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    header = tarfile.TarInfo(name)
    header.size, header.mtime, header.mode = len(content), int(time.time()), 0o600
    archive.addfile(header, io.BytesIO(content))


def _newest(directory: str, limit: int, bundled: Bundled) -> list[Path]:
    """Return the newest recordings that fit into `limit` bytes, oldest first."""
    taken: list[Path] = []
    for path in reversed(recordings(directory)):
        size = path.stat().st_size
        if size > limit:
            if limit and not taken:
                bundled.missing[path.name] = f"{size} bytes, {limit} are allowed: raise --recordings-mb"
            break
        limit -= size
        taken.append(path)
    return taken[::-1]
