"""Draws docs/pictures/sample-shapes.png: the ten sample shapes at 16 cm2, to one scale.

Run it from the repository's root: python examples/draw_sample_shapes.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from thermal.shapes import SHAPES, outline_of

AREA_CM2 = 16.0
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "sample-shapes.png"
SIDE_MM = 98.0


def patch(shape: shapely.Geometry) -> PathPatch:
    """Return the shape as one filled path with holes."""
    corners, codes = [], []
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        points = shapely.get_coordinates(ring)
        corners.append(points)
        codes += [Outline.MOVETO, *[Outline.LINETO] * (len(points) - 2), Outline.CLOSEPOLY]
    return PathPatch(Outline(np.concatenate(corners), codes), facecolor="#9db8cf", edgecolor="#1f3b57", lw=0.9)


def main(file: Path) -> None:
    """Draw the contact sheet."""
    figure, axes = plt.subplots(2, 5, figsize=(15, 6.9), layout="constrained")
    for axis, name in zip(axes.flat, SHAPES, strict=True):
        shape = shapely.orient_polygons(outline_of(name, AREA_CM2))
        left, bottom, right, top = shape.bounds
        axis.add_patch(patch(shape))
        axis.set_xlim((left + right - SIDE_MM) / 2, (left + right + SIDE_MM) / 2)
        axis.set_ylim((bottom + top - SIDE_MM) / 2, (bottom + top + SIDE_MM) / 2)
        axis.set_aspect("equal")
        axis.set_axis_off()
        axis.set_title(
            f"{name.replace('-', ' ').replace('l b', 'L-b')}\n{right - left:.0f} x {top - bottom:.0f} mm",
            fontsize=13,
        )
    corner = axes[1, 0]
    x, y = corner.get_xlim()[0] + 3, corner.get_ylim()[0] + 3
    corner.plot([x, x + 20], [y, y], color="black", lw=3, solid_capstyle="butt")
    corner.text(x + 10, y + 2, "20 mm", ha="center", fontsize=11)
    figure.suptitle(f"The ten sample shapes, each {AREA_CM2:g} cm2, one scale", fontsize=15)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100, facecolor="white", metadata={"Software": None})
    print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
