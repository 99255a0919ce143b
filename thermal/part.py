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
from thermal.arrays import encode_cut, encode_geometry
from thermal.exchange import put_in_place
from thermal.geometry import CutLayer, Geometry
from thermal.manifest import (
    SCHEMA,
    CellsUsed,
    GeometryEntry,
    Manifest,
    OperatorUsed,
    canonical_bytes,
    decode_manifest,
    part_digest,
)
from thermal.process import Process
from thermal.shelf import GeometryFiles, read_checked

__all__ = [
    "Geometry", "Manifest", "Part", "load_part", "make_part", "part_digest", "verify_part", "write_part"
]  # fmt: skip

MANIFEST = "part.json"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part ready to be printed.

    Attributes:
        manifest: everything that decides what is printed.
        geometries: the distinct layer geometries, by number; those of a folder are read when first used.
        digest: SHA-256 hex of the manifest: the part's name on the wire.
        folder: where it was loaded from or written to; None for a part that is only in memory.
    """

    manifest: Manifest
    geometries: Sequence[Geometry]
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
        return self.geometries[self._number(layer)]

    def _number(self, layer: int) -> int:
        if not 0 <= layer < self.layers:
            raise PartError(
                f"there is no layer {layer}",
                where=f"part '{self.name}'",
                why=f"it has layers 0 to {self.layers - 1}",
                remedy="give a layer of the part",
            )
        return self.manifest.layers[layer]

    @property
    def largest(self) -> Geometry:
        """The geometry with the most elements; the first of several."""
        entries = self.manifest.geometries
        return self.geometries[max(range(len(entries)), key=lambda number: entries[number].elements)]

    def size_of(self, layer: int) -> tuple[int, int]:
        """Return elements and cells of a layer, without reading its geometry.

        Raises:
            PartError: the part has no such layer.
        """
        entry = self.manifest.geometries[self._number(layer)]
        return entry.elements, entry.cells


def make_part(
    name: str,
    process: Process,
    geometries: Sequence[Geometry],
    layers: Sequence[int],
    *,
    cells: CellsUsed,
    operator: OperatorUsed | None = None,
) -> Part:
    """Return a part in memory.

    Args:
        name: what a person calls it.
        process: process settings.
        geometries: the distinct layer geometries; their numbers are their places.
        layers: for every layer the number of its geometry.
        cells: how the cells were made.
        operator: how maps are carried across windows; None: polynomial, 1e-8.
    """
    entries = tuple(entry_of(geometry.number, geometry, encode_geometry(geometry)) for geometry in geometries)
    manifest = make_manifest(name, process, entries, layers, cells, operator)
    return Part(manifest, tuple(geometries), part_digest(manifest))


def entry_of(number: int, layer: Geometry | CutLayer, content: bytes) -> GeometryEntry:
    """Return the manifest's entry of a layer geometry whose array file has the bytes `content`."""
    return GeometryEntry(
        file=geometry_file(number),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        elements=layer.elements,
        cells=len(layer.cells),
        origin_m=layer.origin_m,
        inputs="stored" if isinstance(layer, Geometry) else "derived",
    )


def geometry_file(number: int) -> str:
    """Return the name of the array file of a geometry."""
    return f"geometry-{number:04d}.npz"


def make_manifest(
    name: str,
    process: Process,
    entries: Sequence[GeometryEntry],
    layers: Sequence[int],
    cells: CellsUsed,
    operator: OperatorUsed | None = None,
) -> Manifest:
    """Return the manifest of a part; see `make_part`."""
    manifest = Manifest(
        schema=SCHEMA,
        units="SI",
        name=name,
        process=process,
        cells=cells,
        operator=operator or OperatorUsed(),
        geometries=tuple(entries),
        layers=tuple(layers),
    )
    # As it will be read: a power of 300 and one of 300.0 are the same part.
    return msgspec.json.decode(canonical_bytes(manifest), type=Manifest)


def load_part(folder: Path | str) -> Part:
    """Read a part's folder: its manifest now, its geometries when they are first used.

    Raises:
        PartError: it is missing, damaged, or of another schema version, or an array file is missing or has
            another size. An array file of the right size that is not the one of the manifest is refused
            where it is used, or by `verify_part`.
        ProcessError: its process settings are not physical.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    manifest = decode_manifest(_read(path, "build it with 'cosmic-cloud part build'"), str(path))
    for entry in manifest.geometries:
        file = folder / entry.file
        if file.parent != folder:  # a manifest may come over the wire
            raise PartError(
                f"the manifest names a file elsewhere: {entry.file}",
                where=str(path),
                remedy="copy or build the part again",
            )
        _check_size(file, entry)
    return Part(manifest, GeometryFiles(folder, manifest), part_digest(manifest), folder)


def verify_part(folder: Path | str) -> Part:
    """Read a part's folder and compare every array file with its digest; return the part.

    Raises:
        PartError: as `load_part`, and where a file is not the one of the manifest.
        ProcessError: its process settings are not physical.
    """
    part = load_part(folder)
    for entry in part.manifest.geometries:
        read_checked(Path(folder) / entry.file, entry)
    return part


def _check_size(file: Path, entry: GeometryEntry) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise PartError(
            f"the file cannot be read: {error.strerror}", where=str(file), remedy="copy or build the part again"
        ) from error
    if size != entry.bytes:
        raise PartError(
            f"the file is not the one of the manifest ({size} of {entry.bytes} bytes)",
            where=str(file),
            why="its SHA-256 differs",
            remedy="copy or build the part again",
        )


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
        raise unwritable(folder, error) from error
    try:
        for entry, geometry in zip(part.manifest.geometries, part.geometries, strict=True):
            stored = entry.inputs == "stored"
            _write(partial / entry.file, encode_geometry(geometry) if stored else encode_cut(geometry))
        write_manifest(partial, part.manifest)
        partial.chmod(0o755)  # mkdtemp's folders are for their owner alone
        verify_part(partial)
        put_in_place(partial, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
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


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `part.json`. Raises OSError."""
    _write(folder / MANIFEST, msgspec.json.format(canonical_bytes(manifest), indent=2) + b"\n")


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


def unwritable(folder: Path, error: OSError) -> PartError:
    """Return the error for a part that cannot be written."""
    return PartError(
        f"the part cannot be written: {error.strerror}",
        where=str(folder),
        remedy="check the disk's room and the folder's permissions",
    )
