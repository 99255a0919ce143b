"""A part for the printer: one tar without the dense operators, the same bytes every time, in ranges.

A download that broke off goes on where it ended (`Range: bytes=N-`). Tars are kept as unnamed files, the last few.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import tarfile
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cloud.parts import MANIFEST, read_manifest
from cosmic.errors import CosmicError, PartError

ARCHIVES_MAX = 4
"""Tars kept."""

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")


class RangeNotSatisfiable(CosmicError):
    """The range begins after the end of the part."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `first` to `first + len(content)` of a tar of `total` bytes; `partial` where a range was asked for."""

    content: bytes
    first: int
    total: int
    partial: bool


class PartArchives:
    """Tars of parts by digest.

    bytes_max: largest tar.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._archives: OrderedDict[str, IO[bytes]] = OrderedDict()
        self._packing = asyncio.Lock()

    async def piece(self, digest: str, folder: Path, wanted: str | None) -> Piece:
        """Return what of the part in `folder` was asked for, read off the event loop.

        wanted: the value of the header `Range`, or None. One that is not `bytes=N-` or `bytes=N-M` is passed
            over, as RFC 9110 (section 14.2) has it: the whole part is the answer.
        Raises PartError where the part cannot be read, is too large or has changed, and RangeNotSatisfiable.
        """
        async with self._packing:
            archive = self._archives.get(digest)
            if archive is None:
                archive = await asyncio.to_thread(_pack, digest, folder, self._bytes_max)
                self._archives[digest] = archive
                while len(self._archives) > ARCHIVES_MAX:
                    self._archives.popitem(last=False)[1].close()
            self._archives.move_to_end(digest)
            descriptor = os.dup(archive.fileno())  # stays open while it is read, whatever is dropped meanwhile
        try:
            return await asyncio.to_thread(_read, descriptor, wanted)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Drop all tars."""
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()


def _read(descriptor: int, wanted: str | None) -> Piece:
    total = os.fstat(descriptor).st_size
    match = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return Piece(os.pread(descriptor, total, 0), 0, total, partial=False)
    first = int(match[1])
    if first >= total:
        raise RangeNotSatisfiable(f"the part has {total} bytes", remedy="begin again")
    last = min(int(match[2]), total - 1) if match[2] else total - 1
    return Piece(os.pread(descriptor, last + 1 - first, first), first, total, partial=True)


def _pack(digest: str, folder: Path, bytes_max: int) -> IO[bytes]:
    """Return an unnamed file with the tar of the part in `folder`: manifest first, then its files by name."""
    try:
        content, manifest, found = read_manifest(folder)
        if found != digest:
            raise PartError("the part has changed", where=str(folder), remedy="ask again")
        size = sum(entry.bytes for entry in manifest.geometries)
        if size > bytes_max:
            raise PartError(
                f"the part has {size} bytes",
                where=str(folder),
                why=f"the limit is {bytes_max} bytes (parts.download_bytes_max)",
                remedy="raise the limit, or copy the folder to the printer",
            )
        archive = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is dropped from the archives kept
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            _add(tar, MANIFEST, content)
            for name in sorted({entry.file for entry in manifest.geometries}):
                if Path(name).name != name:
                    raise PartError(f"the manifest names a file elsewhere: {name}", where=str(folder))
                _add(tar, name, (folder / name).read_bytes())
        archive.flush()
    except OSError as error:
        raise PartError(f"the part cannot be read: {error.strerror}", where=str(folder)) from error
    return archive


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file with nothing in its header that differs from one coordinator or day to another."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(content))
