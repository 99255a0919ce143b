"""Makes gear.stl: a solid gear of 4.0 cm2 cross-section, 2 mm high, 16 teeth, no bore.

Run it from anywhere: python examples/make_gear.py [FILE]
"""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
import trimesh
from shapely import affinity

from thermal.shapes import gear_outline

AREA_MM2 = 400.0
HEIGHT_MM = 2.0


def outline() -> shapely.Polygon:
    """Return the gear's cross-section, mm, its lower left corner at the origin."""
    gear = shapely.Polygon(gear_outline(16, root=0.86, tip=1.0))
    factor = math.sqrt(AREA_MM2 / gear.area)
    gear = affinity.scale(gear, factor, factor, origin=(0, 0))
    return affinity.translate(gear, -gear.bounds[0], -gear.bounds[1])


def extruded(polygon: shapely.Polygon, height_mm: float) -> trimesh.Trimesh:
    """Return the prism over a polygon: floor, lid and walls."""
    triangles = []
    for flat in shapely.constrained_delaunay_triangles(polygon).geoms:
        corners = np.array(shapely.orient_polygons(flat).exterior.coords)[:3]
        triangles.append(np.column_stack((corners[::-1], np.zeros(3))))
        triangles.append(np.column_stack((corners, np.full(3, height_mm))))
    shell = shapely.orient_polygons(polygon)
    for ring in (shell.exterior, *shell.interiors):
        corners = np.array(ring.coords)
        for (x0, y0), (x1, y1) in pairwise(corners):
            triangles.append([(x0, y0, 0), (x1, y1, 0), (x1, y1, height_mm)])
            triangles.append([(x0, y0, 0), (x1, y1, height_mm), (x0, y0, height_mm)])
    return trimesh.Trimesh(**trimesh.triangles.to_kwargs(np.array(triangles, dtype=np.float64)))


def main(file: Path) -> None:
    """Write the gear as binary STL."""
    mesh = extruded(outline(), HEIGHT_MM)
    file.write_bytes(trimesh.exchange.stl.export_stl(mesh))
    print(f"{file}: {len(mesh.faces)} triangles, {mesh.volume / HEIGHT_MM / 100:.4f} cm2")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("gear.stl"))
