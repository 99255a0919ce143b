"""Mean thermal uniformity R by order: SmartScan's two rules against random, sequential and what else there is.

    python benchmarks/orders.py                        every sample shape at 9 cm2
    python benchmarks/orders.py --gear                 the gear of the examples, as the demo prepares it
    python benchmarks/orders.py --assumptions          how the figures move with what the model assumes
    python benchmarks/orders.py --local-search         what swapping cells in a finished order still gains

R is the standard deviation of the temperature over the layer's elements at the end of each window, divided by
T_melt; the mean is over all windows. Everything is seeded. Ratios are mean R over that of rule `input`.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
from numpy.typing import NDArray

from thermal.building import build_from_outline, build_part
from thermal.order import order_layer, part_operator, uniformity_of
from thermal.part import Part
from thermal.process import Process
from thermal.shapes import SHAPES, outline_of

GEAR = Path(__file__).parents[1] / "examples" / "gear.stl"
RANDOM_ORDERS = 8

ASSUMPTIONS: dict[str, dict[str, float]] = {
    "the defaults": {},
    "no loss to the base": {"base_loss_W_m2K": 0.0},
    "no loss at all": {"base_loss_W_m2K": 0.0, "top_loss_W_m2K": 0.0},
    "ten times the loss to the base": {"base_loss_W_m2K": 30_000.0},
    "depth 0.3 mm": {"depth_m": 0.3e-3},
    "depth 5 mm": {"depth_m": 5e-3},
    "conductivity x 4": {"conductivity_W_mK": 55.4},
    "conductivity x 4, no loss to the base": {"conductivity_W_mK": 55.4, "base_loss_W_m2K": 0.0},
    "conductivity x 10, no loss to the base": {"conductivity_W_mK": 138.5, "base_loss_W_m2K": 0.0},
    "0.2 m/s, no loss to the base": {"speed_m_s": 0.2, "base_loss_W_m2K": 0.0},
}


def first_maps(part: Part) -> dict[str, NDArray[np.float32]]:
    """Return the first maps of a layer, kelvin: at ambient, and with heat left on one side."""
    geometry = part.geometry_of(0)
    x_mm, y_mm = geometry.col * geometry.dx_m * 1e3, geometry.row * geometry.dx_m * 1e3
    spot = 60 * np.exp(-((x_mm - x_mm.mean() * 0.6) ** 2 + (y_mm - y_mm.mean() * 0.5) ** 2) / 30)
    ambient = np.full(geometry.elements, part.process.ambient_K)
    return {"ambient": ambient.astype(np.float32), "residual": (ambient + spot).astype(np.float32)}


def other_orders(part: Part) -> dict[str, list[list[int]]]:
    """Return the orders that need no thermal model, by name; several of one name are averaged."""
    cells = len(part.geometry_of(0).cells)
    orders = {
        "random": [np.random.default_rng(seed).permutation(cells).tolist() for seed in range(RANDOM_ORDERS)],
        "sequential": [list(range(cells))],
    }
    for name, class_name in (("chessboard", "ChessboardOrder"), ("farthest", "FarthestOrder")):
        if find_spec(f"fallback.{name}") is not None:
            orders[name] = [_fallback(part, name, class_name)]
    return orders


def _fallback(part: Part, module: str, class_name: str) -> list[int]:
    """Return the order in which one of the printer's own orders scans a whole layer."""
    layout = import_module("fallback.layout").Layout(part.geometry_of(0), part.process)
    made: Any = getattr(import_module(f"fallback.{module}"), class_name)()
    made.start_layer(0, layout)
    left = list(range(len(part.geometry_of(0).cells)))
    order: list[int] = []
    while left:
        order.append(made.next_cell(left, order[-1] if order else None))
        left.remove(order[-1])
    return order


def mean_R(part: Part, map_K: NDArray[np.float32]) -> dict[str, float]:
    """Return mean R of every order from one first map."""
    operator = part_operator(part, 0)
    found = {
        f"smartscan, {rule}": float(np.mean(order_layer(part, 0, map_K, operator, rule=rule).uniformity))
        for rule in ("input", "propagated")
    }
    for name, orders in other_orders(part).items():
        found[name] = float(np.mean([np.mean(uniformity_of(part, 0, map_K, each, operator)) for each in orders]))
    return found


def table(parts: dict[str, Part], maps: tuple[str, ...] = ("ambient", "residual")) -> None:
    """Print one line a part and first map."""
    names: list[str] | None = None
    for label, part in parts.items():
        for kind in maps:
            found = mean_R(part, first_maps(part)[kind])
            if names is None:
                names = list(found)
                print(f"{'':<42} {'R':>8} " + " ".join(f"{name.split(', ')[-1]:>10}" for name in names))
            base = found["smartscan, input"]
            ratios = " ".join(f"{found[name] / base:>10.3f}" for name in names)
            print(f"{label + ', ' + kind:<42} {base:>8.5f} {ratios}", flush=True)


def local_search(part: Part, map_K: NDArray[np.float32], tries: int) -> None:
    """Print what swaps of two cells, kept where they help, gain over SmartScan's order."""
    operator = part_operator(part, 0)

    def mean(order: list[int]) -> float:
        return float(np.mean(uniformity_of(part, 0, map_K, order, operator)))

    chance = np.mean([mean(order) for order in other_orders(part)["random"]])
    for rule in ("input", "propagated"):
        order = order_layer(part, 0, map_K, operator, rule=rule).order
        draw = np.random.default_rng(5)
        best = begun = mean(order)
        for _ in range(tries):
            one, other = sorted(draw.choice(len(order), 2, replace=False).tolist())
            order[one], order[other] = order[other], order[one]
            now = mean(order)
            if now < best:
                best = now
            else:
                order[one], order[other] = order[other], order[one]
        print(f"{rule}: random is {chance / begun:.3f} x its R; after {tries} swaps tried, {chance / best:.3f} x")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", type=float, default=9.0, help="cm2 of the sample shapes")
    parser.add_argument("--gear", action="store_true")
    parser.add_argument("--assumptions", action="store_true")
    parser.add_argument("--local-search", type=int, metavar="TRIES", nargs="?", const=2000)
    words = parser.parse_args()

    def gear(**changes: float) -> Part:
        process = msgspec.structs.replace(Process(element_m=0.4e-3), **changes)
        return build_part(GEAR, process, island_mm=3.2, layers=1)

    if words.local_search:
        local_search(gear(), first_maps(gear())["ambient"], words.local_search)
    elif words.assumptions:
        table({label: gear(**changes) for label, changes in ASSUMPTIONS.items()}, ("ambient",))
    elif words.gear:
        table({"gear of the examples": gear()})
    else:
        table({shape: build_from_outline(outline_of(shape, words.area), shape) for shape in SHAPES})


if __name__ == "__main__":
    main()
