"""Reads a solid from an STL or 3MF file and checks that it can be printed. Needs the `cloud` extra."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosmic.errors import GeometryError, UsageError
from thermal.extra import geometry_library
from thermal.readers.threemf import read_3mf

MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
PLATE_MM = (250.0, 250.0, 300.0)
FILE_BYTES_MAX = 512 * 2**20

# Largest side, in the file's numbers, below which millimetres are not believed unless the user says so:
# nothing below 0.5 mm is printed; below 10 "mm" inches fit a plate (9.8) and centimetres are as likely.
_METRES_BELOW = 0.5
_INCHES_BELOW = 10.0


@dataclass(frozen=True, slots=True)
class Solid:
    """A watertight solid on the plate.

    Attributes:
        mesh: trimesh.Trimesh, millimetres, its lowest point at z = 0, x and y as in the file.
        name: file name without suffix.
    """

    mesh: Any
    name: str

    @property
    def height_mm(self) -> float:
        """Height above the plate, mm."""
        return float(self.mesh.bounds[1][2])

    @property
    def bounds_mm(self) -> tuple[float, float, float, float]:
        """Lowest x and y, highest x and y, mm."""
        (left, bottom, _), (right, top, _) = self.mesh.bounds.tolist()
        return left, bottom, right, top


def read_solid(path: Path, units: str | None = None, plate_mm: tuple[float, float, float] = PLATE_MM) -> Solid:
    """Read an STL file, binary or ASCII, or a 3MF file.

    Args:
        path: the file.
        units: of the numbers of an STL file: mm, cm, m or inch; None takes mm and refuses what looks like
            others. A 3MF file tells its own.
        plate_mm: width, depth and height that the printer can build, mm.

    Raises:
        GeometryError: the file is empty or unreadable, or the solid is not closed, has no volume, is in
            other units by the look of it, or does not fit the plate.
        UsageError: the units are unknown, or the `cloud` extra is not installed.
    """
    if units is not None and units not in MM_PER_UNIT:
        raise UsageError(
            f"there is no unit '{units}'", where="units", remedy=f"use one of: {', '.join(MM_PER_UNIT)}"
        )
    mesh = _load(path)
    extents = mesh.extents
    if path.suffix.lower() == ".stl":
        if units is None:
            _check_units(path, float(extents.max()))
        mesh.apply_scale(MM_PER_UNIT[units or "mm"])
    _check_closed(path, mesh)
    over = [side for side, room in zip(mesh.extents.tolist(), plate_mm, strict=True) if side > room + 1e-6]
    if over:
        size = " x ".join(f"{side:.4g}" for side in mesh.extents.tolist())
        raise GeometryError(
            f"the solid is {size} mm",
            where=str(path),
            why=f"the plate takes {' x '.join(f'{room:g}' for room in plate_mm)} mm",
            remedy="scale or turn the solid, or set --plate if the printer is larger",
        )
    mesh.apply_translation([0.0, 0.0, -float(mesh.bounds[0][2])])
    return Solid(mesh, path.stem)


def _load(path: Path) -> Any:
    trimesh = geometry_library("trimesh")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise GeometryError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its name"
        ) from error
    suffix = path.suffix.lower()
    if suffix not in {".stl", ".3mf"}:
        raise GeometryError(
            f"the file type '{path.suffix}' is not known", where=str(path), remedy="export it as STL or 3MF"
        )
    if not 0 < size <= FILE_BYTES_MAX:
        raise GeometryError(
            "the file is empty" if size == 0 else f"the file has {size} bytes",
            where=str(path),
            why=f"a file of 1 to {FILE_BYTES_MAX} bytes is needed",
            remedy="export it again",
        )
    if suffix == ".3mf":
        vertices, faces = read_3mf(path)
        return trimesh.Trimesh(vertices, faces)
    try:
        with path.open("rb") as file:
            mesh = trimesh.load_mesh(file, file_type="stl")
    except Exception as error:
        raise GeometryError(
            f"the file is not a readable STL: {error}", where=str(path), remedy="export it again"
        ) from error
    if len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all():
        raise GeometryError(
            "the file holds no triangles" if len(mesh.faces) == 0 else "a corner is not a finite number",
            where=str(path),
            remedy="export it again",
        )
    return mesh


def _check_units(path: Path, largest: float) -> None:
    if largest < _METRES_BELOW:
        guess, flag = "metres", "m"
    elif largest < _INCHES_BELOW:
        guess, flag = "inches", "inch"
    else:
        return
    raise GeometryError(
        f"the solid is in {guess} by the look of it: its largest side is {largest:.4g}",
        where=str(path),
        why="STL files do not say their units; millimetres are assumed",
        remedy=f"give --units {flag}, or --units mm if it is that small",
    )


def _check_closed(path: Path, mesh: Any) -> None:
    if not mesh.is_watertight:
        raise GeometryError(
            "the solid is not watertight: its surface has holes or stray triangles",
            where=str(path),
            why="inside and outside cannot be told apart",
            remedy="repair it in the program that made it",
        )
    if not mesh.is_winding_consistent:
        geometry_library("trimesh.repair").fix_winding(mesh)
    if not mesh.is_winding_consistent:
        raise GeometryError(
            "the triangles of the solid do not agree on which side is outside",
            where=str(path),
            remedy="repair it in the program that made it",
        )
    corners = mesh.triangles
    volume_mm3 = float(np.sum(corners[:, 0] * np.cross(corners[:, 1], corners[:, 2]))) / 6
    if volume_mm3 < 0:
        mesh.invert()
    # One part in a million of its box: less is a sheet, whatever rounding says.
    if not abs(volume_mm3) > 1e-6 * float(np.prod(mesh.extents)):
        raise GeometryError("the solid has no volume", where=str(path), remedy="export a solid body, not a surface")
