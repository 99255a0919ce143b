"""Orders of earlier prints: which cell followed which, for dealing cells that follow each other to one group.

They are recorded (documents of `cosmic-cloud order --json`, or any JSON with `order`, `layer` and `digest`, one a
file or one a line), or predicted: SmartScan's own from first maps that are uneven, since a printer's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.plans import Groups
from cloud.plans.dealings import listed_groups, transition_counts
from cosmic.errors import InputError
from cosmic.undecodable import UNDECODABLE
from thermal.order import order_layer
from thermal.part import Part

Transitions = NDArray[np.int64] | int
"""int64[cells, cells], how often each cell followed each other one; the number of cells where that is not known."""

PREDICTED = 3
"""Orders predicted of a geometry."""

GEOMETRIES_MAX = 16
"""Geometries whose orders are predicted: the first layers' and the largest; others are dealt by their numbers."""

BYTES_MAX = 256 * 2**20


class _Order(msgspec.Struct, frozen=True):
    order: list[int]
    layer: int
    digest: str | None = None


def recorded_transitions(part: Part, files: Sequence[Path]) -> tuple[Transitions, ...]:
    """Return the transitions of every geometry of a part from recorded orders.

    Raises:
        InputError: a file cannot be read, or has an order that is not of this part.
    """
    orders: dict[int, list[list[int]]] = {}
    for file in files:
        for number, found in enumerate(_read(file), 1):
            where = f"{file}, order {number}"
            if found.digest is not None and found.digest != part.digest:
                raise InputError("is the order of another part", where=where, remedy="give orders of this part")
            if not 0 <= found.layer < part.layers:
                raise InputError(f"there is no layer {found.layer}", where=where, why=f"the part has {part.layers}")
            geometry = part.geometry_of(found.layer)
            if len(set(found.order)) != len(found.order) or not set(found.order) <= set(range(len(geometry.cells))):
                raise InputError(
                    "is no order of its layer's cells",
                    where=where,
                    why=f"the layer has cells 0 to {len(geometry.cells) - 1}, each scanned once",
                )
            orders.setdefault(geometry.number, []).append(found.order)
    return tuple(
        transition_counts(orders[number], len(geometry.cells)) if number in orders else len(geometry.cells)
        for number, geometry in enumerate(part.geometries)
    )


def predicted_transitions(part: Part, seed: int = 0) -> tuple[Transitions, ...]:
    """Return the transitions of a part's first and largest geometries as SmartScan would have them."""
    wanted = list(dict.fromkeys([part.largest.number, *part.manifest.layers]))[:GEOMETRIES_MAX]
    found: list[Transitions] = [len(geometry.cells) for geometry in part.geometries]
    for number in wanted:
        layer = part.manifest.layers.index(number)
        orders = [
            order_layer(part, layer, uneven_map(part, number, seed + k)).order for k in range(1, PREDICTED + 1)
        ]
        found[number] = transition_counts(orders, len(part.geometries[number].cells))
    return tuple(found)


def clustered_groups(part: Part, groups: int, file: Path | None) -> tuple[Groups, ...]:
    """Return for every geometry the groups of dealing `clustered`, from recorded orders or from predicted ones.

    Raises InputError where the file is wrong.
    """
    known = predicted_transitions(part) if file is None else recorded_transitions(part, [file])
    return listed_groups(known, groups)


def uneven_map(part: Part, geometry: int, seed: int) -> NDArray[np.float32]:
    """Return a first map, float32[n], kelvin: 90 K above ambient, uneven by 15 K over centimetres, and noise."""
    outline = part.geometries[geometry]
    random = np.random.default_rng(seed)
    waves = np.sin(outline.row / random.uniform(20, 60)) * np.cos(outline.col / random.uniform(20, 60))
    noise = random.normal(0.0, 2.0, outline.elements)
    return (part.process.ambient_K + 90.0 + 15.0 * waves + noise).astype(np.float32)


def _read(file: Path) -> list[_Order]:
    try:
        if file.stat().st_size > BYTES_MAX:
            raise InputError(f"is larger than {BYTES_MAX:,} bytes", where=str(file), remedy="give fewer orders")
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file), remedy="check the path") from error
    try:
        try:
            documents: Any = msgspec.json.decode(content)
        except UNDECODABLE:  # one a line
            documents = [msgspec.json.decode(line) for line in content.splitlines() if line.strip()]
        documents = documents if isinstance(documents, list) else [documents]
        return msgspec.convert(documents, list[_Order])
    except UNDECODABLE as error:
        raise InputError(
            f"has no orders: {error}", where=str(file), remedy="give documents of 'cosmic-cloud order --json'"
        ) from error
