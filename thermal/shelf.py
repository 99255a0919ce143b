"""The geometries of a part on disk: read and checked when first used, the last few held.

So a part of a thousand outlines loads at once and is used layer by layer in bounded memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from cosmic.errors import PartError
from thermal.arrays import decode_cut, decode_geometry, encode_geometry, with_inputs
from thermal.geometry import Geometry
from thermal.inputs import inputs
from thermal.manifest import GeometryEntry, Manifest

BYTES_HELD = 256 * 2**20
"""Memory of the geometries held, unless a single one takes more; a layer of 16 cm2 takes some 4 MB."""

CACHE = "cache"
"""Folder inside a part for what was derived from it: no part of the digest, and safe to remove."""


class GeometryFiles(Sequence[Geometry]):
    """The geometries of the part in `folder`, by number. May be used by several threads.

    Reading a geometry raises PartError where its file is missing or not the one of the manifest. Where the
    manifest says that its inputs are derived, the first use computes them (seconds for a layer of 100 cm2)
    and keeps them in the part's cache folder, if that can be written.

    Args:
        folder: the part's folder.
        manifest: its manifest.
        bytes_held: memory that may be taken by geometries held.
    """

    def __init__(self, folder: Path, manifest: Manifest, bytes_held: int = BYTES_HELD) -> None:
        self._folder = folder
        self._manifest = manifest
        self._bytes_held = bytes_held
        self._held: OrderedDict[int, Geometry] = OrderedDict()
        self._reading = threading.RLock()

    def __len__(self) -> int:
        """Return the number of geometries."""
        return len(self._manifest.geometries)

    @overload
    def __getitem__(self, place: int) -> Geometry: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Geometry, ...]: ...
    def __getitem__(self, place: int | slice) -> Geometry | tuple[Geometry, ...]:
        """Return a geometry, read if it is not held."""
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = range(len(self))[place]
        with self._reading:
            geometry = self._held.get(number)
            if geometry is None:
                geometry = self._held[number] = self._read(number)
            self._held.move_to_end(number)
            while len(self._held) > 1 and sum(one.bytes for one in self._held.values()) > self._bytes_held:
                self._held.popitem(last=False)
        return geometry

    def __iter__(self) -> Iterator[Geometry]:
        """Yield the geometries one after the other."""
        return (self[number] for number in range(len(self)))

    def _read(self, number: int) -> Geometry:
        entry, process = self._manifest.geometries[number], self._manifest.process
        file = self._folder / entry.file
        content = read_checked(file, entry)
        if entry.inputs == "stored":
            geometry = decode_geometry(content, number, process.element_m, entry.origin_m, str(file))
        else:
            layer = decode_cut(content, process.element_m, entry.origin_m, str(file))
            known = self._cached(number, entry)
            geometry = known or with_inputs(layer, number, *inputs(layer.row, layer.col, layer.cells, process))
            if known is None:
                self._keep(geometry, entry)
        if (geometry.elements, len(geometry.cells)) != (entry.elements, entry.cells):
            raise PartError(
                f"the manifest tells {entry.elements} elements and {entry.cells} cells, "
                f"the file {geometry.elements} and {len(geometry.cells)}",
                where=str(file),
                remedy="copy or build the part again",
            )
        return geometry

    def _cached(self, number: int, entry: GeometryEntry) -> Geometry | None:
        """Return a geometry whose inputs were derived before; None where its file is missing or damaged."""
        for file in sorted((self._folder / CACHE).glob(f"{_cache_name(self._manifest, entry)}-*.npz")):
            try:
                content = file.read_bytes()
                if hashlib.sha256(content).hexdigest() in file.name:
                    return decode_geometry(
                        content, number, self._manifest.process.element_m, entry.origin_m, str(file)
                    )
            except (OSError, PartError):
                continue
        return None

    def _keep(self, geometry: Geometry, entry: GeometryEntry) -> None:
        content = encode_geometry(geometry)
        cache = self._folder / CACHE
        name = f"{_cache_name(self._manifest, entry)}-{hashlib.sha256(content).hexdigest()}.npz"
        try:
            cache.mkdir(exist_ok=True)
            descriptor, partial = tempfile.mkstemp(prefix=".", dir=cache)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            Path(partial).replace(cache / name)
        except OSError:
            return  # a part on a disk that cannot be written is used from memory


def _cache_name(manifest: Manifest, entry: GeometryEntry) -> str:
    """Return a name that no other elements, cells or process settings share."""
    known = hashlib.sha256(entry.sha256.encode() + repr(manifest.process).encode())
    return f"inputs-{known.hexdigest()[:24]}"


def read_checked(file: Path, entry: GeometryEntry) -> bytes:
    """Return the bytes of an array file.

    Raises:
        PartError: it is missing, or not the one of the manifest.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PartError(
            f"the file cannot be read: {error.strerror}", where=str(file), remedy="copy or build the part again"
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise PartError(
            f"the file is not the one of the manifest ({len(content)} of {entry.bytes} bytes)",
            where=str(file),
            why="its SHA-256 differs",
            remedy="copy or build the part again",
        )
    return content
