"""Draws one layer of a printed job: the order of its cells, and how uniform the layer was beside other orders.

Run it after `make demo`: python examples/draw_job.py demo docs/pictures/demo.png [LAYER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

from thermal.order import uniformity_of
from thermal.part import Part, load_part

RANDOM_ORDERS = 20


def main(folder: Path, picture: Path, layer: int) -> None:
    """Write the picture."""
    part = load_part(next(path for path in (folder / "parts").iterdir() if (path / "part.json").is_file()))
    map_K = np.load(folder / "maps" / f"layer-{layer:05d}-map.npy")
    lines = [json.loads(line) for line in (folder / "agent.log").read_text().splitlines()]
    order = next(line["order"] for line in lines if line["event"] == "layer" and line["layer"] == layer)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), width_ratios=(1, 1.25), layout="constrained")
    draw_order(left, part, layer, order)
    draw_uniformity(right, part, layer, map_K, order)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


def draw_order(axes: plt.Axes, part: Part, layer: int, order: list[int]) -> None:
    """Colour every cell by the window in which it was scanned, and write the window into it."""
    geometry = part.geometry_of(layer)
    image = np.full((int(geometry.row.max()) + 1, int(geometry.col.max()) + 1), np.nan)
    side_mm = geometry.dx_m * 1e3
    for window, cell in enumerate(order):
        elements = geometry.cells[cell]
        image[geometry.row[elements], geometry.col[elements]] = window
        x, y = (float(axis[elements].mean() + 0.5) * side_mm for axis in (geometry.col, geometry.row))
        axes.text(
            x, y, str(window), ha="center", va="center", fontsize=7, color="white" if window < 30 else "black"
        )
    extent = (0.0, image.shape[1] * side_mm, 0.0, image.shape[0] * side_mm)
    drawn = axes.imshow(image, origin="lower", extent=extent, cmap="inferno")
    axes.set(title=f"Layer {layer + 1}: window in which each cell was scanned", xlabel="x, mm", ylabel="y, mm")
    axes.figure.colorbar(drawn, ax=axes, label="window", shrink=0.85)


def draw_uniformity(axes: plt.Axes, part: Part, layer: int, map_K: np.ndarray, order: list[int]) -> None:
    """Draw R after every window for the printed order, random orders and the sequential one."""
    generator = np.random.default_rng(7)
    cells = list(range(len(order)))
    randoms = np.array(
        [uniformity_of(part, layer, map_K, generator.permutation(cells).tolist()) for _ in range(RANDOM_ORDERS)]
    )
    printed, sequential = (np.array(uniformity_of(part, layer, map_K, each)) for each in (order, cells))
    axes.fill_between(cells, randoms.min(axis=0), randoms.max(axis=0), color="tab:gray", alpha=0.3, lw=0)
    axes.plot(cells, sequential, color="tab:red", label=f"sequential, mean {sequential.mean():.5f}")
    axes.plot(
        cells,
        randoms.mean(axis=0),
        color="tab:gray",
        label=f"{RANDOM_ORDERS} random orders, mean {randoms.mean():.5f}",
    )
    axes.plot(cells, printed, color="tab:blue", lw=2, label=f"SmartScan, as printed, mean {printed.mean():.5f}")
    axes.set(
        title="Thermal uniformity R, smaller is better",
        xlabel="window",
        ylabel=f"standard deviation of T / {part.process.melt_K:g} K",
        ylim=(0.0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
