"""Prepares a part in memory: from a file or an outline to geometries with cells and inputs.

Needs the `cloud` extra. Building into a folder, in parallel and resumable, is preparing/folder.py's.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cosmic.errors import GeometryError
from thermal.elements import ELEMENTS_MAX
from thermal.manifest import CellsUsed, HatchesUsed, IslandsUsed, StripesUsed
from thermal.part import Part, make_part
from thermal.partitions import MERGED_BELOW
from thermal.preparing.cutting import Progress, cut_layers
from thermal.preparing.folder import Step, build_folder, process_for
from thermal.preparing.workers import geometry_from
from thermal.process import Process
from thermal.solid import PLATE_MM
from thermal.sources import DrawnSource, Source, open_source

__all__ = [
    "HatchesUsed", "IslandsUsed", "Progress", "StripesUsed", "build_folder", "build_from_outline",
    "build_in_memory", "build_part", "island_elements", "islands_of", "open_source", "stripes_of",
]  # fmt: skip

ISLAND_MM = 2.8
"""Side of an island unless told: 14 elements of 0.2 mm, mean windows of 38 to 62 ms at 0.8 m/s."""


STRIPE_MM = 5.0
"""Width of a stripe unless told, as machines use."""

STRIPE_MAX_MM = 10_000.0


def build_part(
    path: Path,
    process: Process | None = None,
    *,
    island_mm: float | None = None,
    cells: CellsUsed | None = None,
    units: str | None = None,
    layers: int | None = None,
    name: str | None = None,
    plate_mm: tuple[float, float, float] = PLATE_MM,
    progress: Progress | None = None,
) -> Part:
    """Prepare a part from an STL, 3MF, CLI, PNG or npy file, or a folder of masks.

    Args:
        path: the file.
        process: process settings; `element_m` is the side of an element and the hatch distance.
        island_mm: side of the islands, a whole number of elements; None: about 2.8 mm.
        cells: how to cut layers into cells; None: islands.
        units: of an STL file: mm, cm, m or inch; None: mm, and what looks like others is refused.
        layers: only so many layers from the plate up; None: all.
        name: of the part; None: the file's.
        plate_mm: what the printer can build, mm.
        progress: told at every step.

    Raises:
        GeometryError: the file, a layer or the cells cannot be prepared.
        UsageError: the units are unknown, or the `cloud` extra is not installed.
    """
    process = process or Process()
    source = open_source(path, process, layers=layers, units=units, plate_mm=plate_mm)
    return build_in_memory(source, process, cells or islands_of(island_mm, process), name=name, progress=progress)


def build_from_outline(
    outline: Any,
    name: str,
    process: Process | None = None,
    *,
    layers: int = 1,
    island_mm: float | None = None,
    cells: CellsUsed | None = None,
    progress: Progress | None = None,
) -> Part:
    """Prepare a part all of whose layers have one outline.

    Args:
        outline: shapely Polygon or MultiPolygon, mm.
        name: of the part.
        process: process settings.
        layers: number of layers, 1 to 20,000.
        island_mm: side of the islands, a whole number of elements; None: about 2.8 mm.
        cells: how to cut layers into cells; None: islands.
        progress: told at every step.

    Raises:
        GeometryError: the outline or the cells cannot be prepared.
    """
    process = process or Process()
    source = DrawnSource(outline, name, layers)
    return build_in_memory(source, process, cells or islands_of(island_mm, process), progress=progress)


def build_in_memory(
    source: Source,
    process: Process,
    cells: CellsUsed,
    *,
    name: str | None = None,
    elements_max: int = ELEMENTS_MAX,
    progress: Progress | None = None,
) -> Part:
    """Prepare a part from any source, all of it in memory; see `build_folder` for large ones.

    Args:
        source: the layers.
        process: process settings; the layer thickness gives way to the source's own, if it has one.
        cells: how to cut layers into cells.
        name: of the part; None: the source's.
        elements_max: most elements that a layer may have.
        progress: told at every step.

    Raises:
        GeometryError: a layer cannot be prepared.
    """
    process = process_for(source, process)
    layers, distinct = [], []
    for cut in cut_layers(source, process, cells, elements_max=elements_max, progress=progress):
        layers.append(cut.number)
        if cut.layer is not None:
            distinct.append(cut.layer)
    geometries = []
    for number, layer in enumerate(distinct):
        what = f"inputs of geometry {number + 1} of {len(distinct)}"
        tell = None if progress is None else Step(progress, what)
        geometries.append(geometry_from(layer, number, process, tell))
    return make_part(name or source.name, process, geometries, layers, cells=cells)


def islands_of(island_mm: float | None, process: Process) -> IslandsUsed:
    """Return square islands of a side in mm; None: about 2.8 mm.

    Raises:
        GeometryError: the side is not a whole number of elements.
    """
    return IslandsUsed(island_elements(island_mm, process.element_m * 1e3), MERGED_BELOW)


def stripes_of(
    width_mm: float | None, angle_deg: float, rotation_deg: float, length_mm: float | None, process: Process
) -> StripesUsed:
    """Return stripes of a width in mm; None: 5 mm. A length of None leaves them whole.

    Raises:
        GeometryError: a width or length is less than an element, or an angle is not a finite number.
    """
    for where, value_mm in (("stripe-width", width_mm), ("stripe-length", length_mm)):
        if value_mm is not None and not process.element_m * 1e3 - 1e-9 <= value_mm <= STRIPE_MAX_MM:
            raise GeometryError(
                f"{value_mm:g} mm is not possible",
                where=where,
                why=f"an element is {process.element_m * 1e3:g} mm, and {STRIPE_MAX_MM:g} mm is the most",
                remedy="use a size between the two",
            )
    if not (math.isfinite(angle_deg) and math.isfinite(rotation_deg)):
        raise GeometryError("an angle is not a finite number", where="stripe-angle", remedy="give degrees")
    return StripesUsed(
        width_m=round((STRIPE_MM if width_mm is None else width_mm) / 1e3, 12),
        angle_deg=angle_deg,
        rotation_deg=rotation_deg,
        length_m=None if length_mm is None else round(length_mm / 1e3, 12),
        merged_below=MERGED_BELOW,
    )


def island_elements(island_mm: float | None, element_mm: float) -> int:
    """Return the side of an island in elements.

    Raises:
        GeometryError: a side that was asked for is not a whole number of elements.
    """
    if island_mm is None:
        return max(1, round(ISLAND_MM / element_mm))
    side = round(island_mm / element_mm)
    if side < 1 or abs(side * element_mm - island_mm) > 1e-6:
        below = max(1, int(island_mm / element_mm))
        raise GeometryError(
            f"an island of {island_mm:g} mm is not a whole number of elements",
            where="island",
            why=f"an element is {element_mm:g} mm",
            remedy=f"use {below * element_mm:g} or {(below + 1) * element_mm:g} mm",
        )
    return side
