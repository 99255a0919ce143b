"""A prepared part: its layer geometries in memory, and its folder on disk.

The folder holds `part.json` and one array file a geometry; dense operators may lie beside them. It is
written under a temporary name, read back, then renamed: a half-written part is never seen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cosmic.errors import PartError
from thermal.arrays import decode_geometry, encode_geometry
from thermal.exchange import put_in_place
from thermal.geometry import Geometry
from thermal.manifest import (
    SCHEMA,
    GeometryEntry,
    IslandsUsed,
    Manifest,
    OperatorUsed,
    canonical_bytes,
    decode_manifest,
    part_digest,
)
from thermal.process import Process

__all__ = ["Geometry", "Manifest", "Part", "load_part", "make_part", "part_digest", "write_part"]

MANIFEST = "part.json"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part ready to be printed.

    Attributes:
        manifest: everything that decides what is printed.
        geometries: the distinct layer geometries, by number.
        digest: SHA-256 hex of the manifest: the part's name on the wire.
        folder: where it was loaded from or written to; None for a part that is only in memory.
    """

    manifest: Manifest
    geometries: tuple[Geometry, ...]
    digest: str
    folder: Path | None = None

    @property
    def name(self) -> str:
        """What a person calls the part."""
        return self.manifest.name

    @property
    def process(self) -> Process:
        """Process settings of the part."""
        return self.manifest.process

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.manifest.layers)

    def geometry_of(self, layer: int) -> Geometry:
        """Return the geometry of a layer, counted from 0.

        Raises:
            PartError: the part has no such layer.
        """
        if not 0 <= layer < self.layers:
            raise PartError(
                f"there is no layer {layer}",
                where=f"part '{self.name}'",
                why=f"it has layers 0 to {self.layers - 1}",
                remedy="give a layer of the part",
            )
        return self.geometries[self.manifest.layers[layer]]

    @property
    def largest(self) -> Geometry:
        """The geometry with the most elements; the first of several."""
        return max(self.geometries, key=lambda geometry: geometry.elements)


def make_part(
    name: str,
    process: Process,
    geometries: Sequence[Geometry],
    layers: Sequence[int],
    *,
    islands: IslandsUsed,
    operator: OperatorUsed | None = None,
) -> Part:
    """Return a part in memory.

    Args:
        name: what a person calls it.
        process: process settings.
        geometries: the distinct layer geometries; their numbers are their places.
        layers: for every layer the number of its geometry.
        islands: how the cells were made.
        operator: how maps are carried across windows; None: polynomial, 1e-8.
    """
    entries = []
    for geometry in geometries:
        content = encode_geometry(geometry)
        entries.append(
            GeometryEntry(
                file=f"geometry-{geometry.number:04d}.npz",
                sha256=hashlib.sha256(content).hexdigest(),
                bytes=len(content),
                elements=geometry.elements,
                cells=len(geometry.cells),
                origin_m=geometry.origin_m,
            )
        )
    manifest = Manifest(
        schema=SCHEMA,
        units="SI",
        name=name,
        process=process,
        islands=islands,
        operator=operator or OperatorUsed(),
        geometries=tuple(entries),
        layers=tuple(layers),
    )
    return Part(manifest, tuple(geometries), part_digest(manifest))


def load_part(folder: Path | str) -> Part:
    """Read and verify a part's folder.

    Raises:
        PartError: it is missing, damaged, truncated, or of another schema version.
        ProcessError: its process settings are not physical.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    manifest = decode_manifest(_read(path, "build it with 'cosmic-cloud part build'"), str(path))
    geometries = []
    for number, entry in enumerate(manifest.geometries):
        file = folder / entry.file
        if file.parent != folder:  # a manifest may come over the wire
            raise PartError(
                f"the manifest names a file elsewhere: {entry.file}",
                where=str(path),
                remedy="copy or build the part again",
            )
        content = _read(file, "copy or build the part again")
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise PartError(
                f"the file is not the one of the manifest ({len(content)} of {entry.bytes} bytes)",
                where=str(file),
                why="its SHA-256 differs",
                remedy="copy or build the part again",
            )
        geometry = decode_geometry(content, number, manifest.process.element_m, entry.origin_m, str(file))
        if (geometry.elements, len(geometry.cells)) != (entry.elements, entry.cells):
            raise PartError(
                f"the manifest tells {entry.elements} elements and {entry.cells} cells, "
                f"the file {geometry.elements} and {len(geometry.cells)}",
                where=str(file),
                remedy="copy or build the part again",
            )
        geometries.append(geometry)
    return Part(manifest, tuple(geometries), part_digest(manifest), folder)


def write_part(part: Part, folder: Path | str, *, force: bool = False) -> Part:
    """Write a part's folder whole or not at all; return the part as read back.

    Args:
        part: the part.
        folder: its folder, which must not exist unless `force`.
        force: replace a part that is there, with its dense operators, in one step.

    Raises:
        PartError: the folder exists (or, with `force`, is not a part), or cannot be written.
    """
    folder = Path(folder).absolute()
    check_target(folder, force=force)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for entry, geometry in zip(part.manifest.geometries, part.geometries, strict=True):
            _write(partial / entry.file, encode_geometry(geometry))
        _write(partial / MANIFEST, msgspec.json.format(canonical_bytes(part.manifest), indent=2) + b"\n")
        partial.chmod(0o755)  # mkdtemp's folders are for their owner alone
        load_part(partial)
        put_in_place(partial, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return load_part(folder)


def check_target(folder: Path, *, force: bool) -> None:
    """Check that a part may be written to a folder, before long work begins.

    Raises:
        PartError: the folder exists, or, with `force`, holds something else than a part.
    """
    if not folder.exists():
        return
    if not force:
        raise PartError(
            "it exists already", where=str(folder), remedy="choose another folder, or replace it with --force"
        )
    if not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise PartError(
            "it is not a part",
            where=str(folder),
            why="--force replaces only a part or an empty folder",
            remedy="choose another folder",
        )


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PartError(f"the file cannot be read: {error.strerror}", where=str(path), remedy=remedy) from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> PartError:
    return PartError(
        f"the part cannot be written: {error.strerror}",
        where=str(folder),
        remedy="check the disk's room and the folder's permissions",
    )
