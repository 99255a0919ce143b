"""Reads the elements and cells of a part's geometry without its inputs: a hundredth of the work."""

from __future__ import annotations

from thermal.arrays import decode_cut
from thermal.geometry import CutLayer
from thermal.part import Part
from thermal.shelf import read_checked


def read_cut(part: Part, number: int) -> CutLayer:
    """Return elements and cells of a geometry.

    Raises:
        PartError: its file is missing or not the one of the manifest.
    """
    if part.folder is None:
        held = part.geometries[number]
        return CutLayer(held.dx_m, held.origin_m, held.row, held.col, held.cells)
    entry = part.manifest.geometries[number]
    file = part.folder / entry.file
    return decode_cut(read_checked(file, entry), part.process.element_m, entry.origin_m, str(file))
