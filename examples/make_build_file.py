"""Makes islands.cli: a plate of 20 x 10 mm with a hole, two layers, hatched in islands of 2.5 mm.

A small CLI build file to read and to try `--cells hatches` with.
Run it from anywhere: python examples/make_build_file.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import shapely

WIDTH_MM, HEIGHT_MM, ISLAND_MM, HATCH_MM, LAYER_MM = 20.0, 10.0, 2.5, 0.25, 0.05
LAYERS = 2
UNITS_MM = 0.005


def outline() -> shapely.Polygon:
    """Return the plate with its hole, mm."""
    return shapely.box(0, 0, WIDTH_MM, HEIGHT_MM).difference(shapely.Point(14, 5).buffer(2.0))


def hatches(island: shapely.Polygon, *, upright: bool) -> list[tuple[float, float, float, float]]:
    """Return the hatches of an island back and forth, along x or along y."""
    left, bottom, right, top = island.bounds
    low, high = (left, right) if upright else (bottom, top)
    lines: list[tuple[float, float, float, float]] = []
    for number, at in enumerate(np.arange(low + HATCH_MM / 2, high, HATCH_MM)):
        ends = ((at, bottom), (at, top)) if upright else ((left, at), (right, at))
        pieces = shapely.get_parts(shapely.LineString(ends).intersection(island))
        for piece in pieces[:: 1 if number % 2 == 0 else -1]:
            (x0, y0), (x1, y1) = piece.coords
            lines.append((x0, y0, x1, y1) if number % 2 == 0 else (x1, y1, x0, y0))
    return lines


def numbers(values: np.typing.ArrayLike) -> str:
    """Return coordinates in units of the file, whole numbers."""
    return ",".join(str(round(value / UNITS_MM)) for value in np.asarray(values).ravel().tolist())


def main(file: Path) -> None:
    """Write the build file."""
    plate = shapely.orient_polygons(outline())
    text = ["$$HEADERSTART", "// a plate with a hole //", "$$ASCII", f"$$UNITS/{UNITS_MM}", "$$VERSION/200"]
    text += ["$$LABEL/1,plate", f"$$LAYERS/{LAYERS}", "$$HEADEREND", "$$GEOMETRYSTART"]
    for layer in range(LAYERS):
        text.append(f"$$LAYER/{round((layer + 1) * LAYER_MM / UNITS_MM)}")
        for direction, ring in ((1, plate.exterior), *((0, hole) for hole in plate.interiors)):
            text.append(f"$$POLYLINE/1,{direction},{len(ring.coords)},{numbers(ring.coords)}")
        for row in range(round(HEIGHT_MM / ISLAND_MM)):
            for column in range(round(WIDTH_MM / ISLAND_MM)):
                square = shapely.box(0, 0, ISLAND_MM, ISLAND_MM)
                moved = shapely.transform(square, lambda at, c=column, r=row: at + np.array([c, r]) * ISLAND_MM)
                for island in shapely.get_parts(moved.intersection(plate)):
                    lines = hatches(island, upright=(row + column + layer) % 2 == 1)
                    text.append(f"$$HATCHES/1,{len(lines)},{numbers(lines)}")
    file.write_text("\n".join([*text, "$$GEOMETRYEND"]) + "\n")
    print(f"{file}: {LAYERS} layers")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("islands.cli"))
