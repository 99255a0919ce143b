"""The manifest of a part, `part.json`, and the digest that names the part on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from cosmic.errors import PartError
from cosmic.undecodable import UNDECODABLE
from thermal.process import Process

SCHEMA = 2


class IslandsUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="islands"):
    """How the cells were made: square islands.

    Attributes:
        side_elements: side of an island in elements.
        merged_below: pieces smaller than this share of a full island were merged into a neighbour.
    """

    side_elements: int
    merged_below: float


class StripesUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="stripes"):
    """How the cells were made: stripes.

    Attributes:
        width_m: of a stripe, m.
        angle_deg: direction of the stripes of layer 0, from x towards y, degrees.
        rotation_deg: by how much the direction turns from layer to layer, degrees.
        length_m: of a piece of a stripe, m; None: stripes are not cut.
        merged_below: pieces smaller than this share of `width_m` squared were merged into a neighbour.
    """

    width_m: float
    angle_deg: float = 0.0
    rotation_deg: float = 0.0
    length_m: float | None = None
    merged_below: float = 0.25

    def angle_of(self, layer: int) -> float:
        """Return the direction of a layer's stripes, degrees, from 0 to below 180: opposite ones are equal."""
        return round((self.angle_deg + self.rotation_deg * layer) % 180.0, 9) % 180.0


class HatchesUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hatches"):
    """How the cells were made: each hatch group of the build file is a cell."""


CellsUsed = IslandsUsed | StripesUsed | HatchesUsed
"""How the cells of a part were made."""


class OperatorUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator that the part is meant to be used with, and its tolerance: nothing is approximated silently.

    Attributes:
        variant: `polynomial` or `steps`; dense operators lie beside the part and derive from it.
        tolerance: bound of the error, as a share of the 2-norm of `theta`.
        inputs_dropped: share of a cell's heat at most that was dropped from its stored input and given back
            to the elements kept.
    """

    variant: str = "polynomial"
    tolerance: float = 1e-8
    inputs_dropped: float = 1e-8


class GeometryEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One layer geometry of the part.

    Attributes:
        file: name of its array file in the part's folder.
        sha256: of that file, hex.
        bytes: size of that file.
        elements: n.
        cells: number of cells.
        origin_m: x and y of the lower left corner of grid square (0, 0), m.
        inputs: `stored` in the file, or `derived` from it and the process where they are first used.
    """

    file: str
    sha256: str
    bytes: int
    elements: int
    cells: int
    origin_m: tuple[float, float]
    inputs: Literal["stored", "derived"] = "stored"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides what is printed; two parts of one digest are the same part.

    Attributes:
        schema: version of this layout.
        units: of every value whose name ends in a unit.
        name: what a person calls the part.
        process: process settings.
        cells: how the cells were made.
        operator: how maps are carried across windows.
        geometries: the distinct layer geometries.
        layers: for every layer the number of its geometry.
    """

    schema: int
    units: str
    name: str
    process: Process
    cells: CellsUsed
    operator: OperatorUsed
    geometries: tuple[GeometryEntry, ...]
    layers: tuple[int, ...]


class _Schema(msgspec.Struct):
    schema: int


def canonical_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as JSON without white space, fields in the order of the classes."""
    return msgspec.json.encode(manifest)


def part_digest(manifest: Manifest) -> str:
    """Return the SHA-256 of the manifest's canonical bytes, hex: the name of the part on the wire."""
    return hashlib.sha256(canonical_bytes(manifest)).hexdigest()


def decode_manifest(text: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        PartError: it is damaged, of another schema version, or contradicts itself.
        ProcessError: its process settings are not physical.
    """
    damaged = "copy or build the part again"
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise PartError(
                f"the part has schema version {schema}",
                where=where,
                why=f"this program reads version {SCHEMA}",
                remedy="update cosmic-lpbf" if schema > SCHEMA else "build the part again",
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except UNDECODABLE as error:
        raise PartError(f"the manifest is damaged: {error}", where=where, remedy=damaged) from error
    if not manifest.layers or not _numbered(manifest.layers, len(manifest.geometries)):
        raise PartError("the manifest's layers name no geometry", where=where, remedy=damaged)
    return manifest


def _numbered(layers: Sequence[int], geometries: int) -> bool:
    return all(0 <= number < geometries for number in layers)
