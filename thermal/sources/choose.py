"""Chooses the reader of a file by its first bytes, or by its suffix where they say nothing."""

from __future__ import annotations

from pathlib import Path

from cosmic.errors import GeometryError, UsageError
from thermal.process import Process
from thermal.solid import PLATE_MM
from thermal.sources.buildfiles import BuildFileSource
from thermal.sources.interface import Source
from thermal.sources.masks import MaskSource
from thermal.sources.solids import SolidSource

SUFFIXES = (".stl", ".3mf", ".cli", ".png", ".npy")
_HEAD_BYTES = 4096


def open_source(
    path: Path,
    process: Process,
    *,
    layers: int | None = None,
    units: str | None = None,
    plate_mm: tuple[float, float, float] = PLATE_MM,
) -> Source:
    """Open what the layers of a part come from.

    Args:
        path: STL, 3MF, CLI, PNG or npy file, or a folder of PNG or npy files, one a layer.
        process: gives layer thickness and side of an element.
        layers: only so many from the plate up; None: all. Of a single mask: how many, 1 unless told.
        units: of an STL file.
        plate_mm: what the printer can build.

    Raises:
        GeometryError: the file cannot be read, or is of no known kind.
        UsageError: units were given for a file that tells its own.
    """
    kind = _kind(path)
    if units is not None and kind != ".stl":
        raise UsageError(
            f"units were given for a {kind.removeprefix('.') or 'folder of masks'}",
            where="units",
            why="only STL files do not say theirs",
            remedy="leave --units out",
        )
    if kind in {".stl", ".3mf"}:
        return SolidSource(path, process.layer_m * 1e3, layers=layers, units=units, plate_mm=plate_mm)
    if kind == ".cli":
        return BuildFileSource(path, layers=layers, plate_mm=plate_mm)
    return MaskSource(path, process.element_m * 1e3, layers=layers)


def _kind(path: Path) -> str:
    if path.is_dir():
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise GeometryError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its name"
        ) from error
    suffix = path.suffix.lower()
    if head.startswith(b"\x89PNG"):
        return ".png"
    if head.startswith(b"\x93NUMPY"):
        return ".npy"
    if b"$$HEADERSTART" in head and suffix != ".stl":
        return ".cli"
    if head.startswith(b"PK\x03\x04"):
        return ".3mf"
    if suffix not in SUFFIXES:
        raise GeometryError(
            f"the file type '{path.suffix}' is not known",
            where=str(path),
            why=f"parts are made from {', '.join(SUFFIXES)} and folders of masks",
            remedy="export it as STL or 3MF",
        )
    return suffix
