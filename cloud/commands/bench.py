# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud bench`: what this machine does, measured against a peer in the same run."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import JsonOption, console, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thermal.part import Part

app = typer.Typer(help="Measure what this machine does.", no_args_is_help=True)

DENSE_BYTES = 1_000_000_000
"""Of the slice of the dense matrix: far more than any cache holds, far less than the whole matrix."""

THREADS = "OPENBLAS_NUM_THREADS"


@app.callback()
def _bench() -> None:
    """Measure what this machine does."""


@app.command("window", epilog="Example: cosmic-cloud bench window --area 16 --json")
def window(
    area: Annotated[float, typer.Option(metavar="CM2", help="Area of the layer.")] = 16.0,
    shape: Annotated[str, typer.Option(metavar="NAME", help="Sample shape.")] = "segmented-gear",
    windows: Annotated[int, typer.Option(metavar="N", min=3, help="Windows to measure.")] = 61,
    dense_mb: Annotated[
        int, typer.Option(metavar="MB", min=1, max=3000, help="Slice of the dense matrix to measure.")
    ] = DENSE_BYTES // 10**6,
    json: JsonOption = False,
) -> None:
    """Measure one window: the operator at 1e-8 and the choice of the next cell, against the dense product.

    One core. The dense matrix is measured as a slice of its rows and scaled to all of them.

    Example: cosmic-cloud bench window --area 16 --json
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault(THREADS, "1")
    from thermal.building import build_from_outline
    from thermal.operators.fused import fused_available
    from thermal.shapes import outline_of

    part = build_from_outline(outline_of(shape, area), shape)
    kernels = ["scipy", "fused"] if fused_available() else ["scipy"]
    measured = {kernel: measure_window(part, kernel, windows) for kernel in kernels}
    resident_mb = _resident_mb()
    dense = measure_dense(part.geometry_of(0).elements, dense_mb * 10**6)
    for each in measured.values():
        each["times_faster_than_dense"] = round(dense["product_ms"] / each["window_ms"], 1)
    document = {
        "shape": shape,
        "area_cm2": area,
        "elements": part.geometry_of(0).elements,
        "cells": len(part.geometry_of(0).cells),
        "tolerance": part.manifest.operator.tolerance,
        "blas_threads": os.environ.get(THREADS),
        "resident_mb_max": resident_mb,
        "polynomial": {"fused": None, **measured},
        "dense": dense,
    }
    if json:
        print_json(document)
    else:
        _show(document)


def measure_window(part: Part, kernel: str, windows: int) -> dict[str, Any]:
    """Return the median times of the first `windows` windows of a layer, ms, with one kernel."""
    import numpy as np

    from thermal.operators import Polynomial
    from thermal.smartscan import SmartScan

    geometry = part.geometry_of(0)
    operator = Polynomial(geometry, part.process, part.manifest.operator.tolerance, kernel=kernel)
    for length in geometry.distinct_lengths:
        operator.coefficients(length)
    scan = SmartScan(geometry, part.process)
    theta = np.random.default_rng(0).uniform(0, 100, geometry.elements)
    scanned = np.zeros(len(geometry.cells), dtype=np.bool_)
    operator_ms: list[float] = []
    choice_ms: list[float] = []
    for _ in range(min(windows, len(geometry.cells))):
        cell, taken_ms = _timed(partial(scan.choose, theta, scanned))
        choice_ms.append(taken_ms)
        scanned[cell] = True
        length = int(geometry.lengths[cell])
        y, taken_ms = _timed(partial(operator.apply, length, theta))
        operator_ms.append(taken_ms)
        theta = scan.advance(y, cell)
    both_ms = [one + other for one, other in zip(operator_ms, choice_ms, strict=True)]
    return {
        "operator_ms": round(statistics.median(operator_ms), 4),
        "choice_ms": round(statistics.median(choice_ms), 4),
        "window_ms": round(statistics.median(both_ms), 4),
        "windows": len(both_ms),
        "degree_max": operator.degree(geometry.distinct_lengths[-1]),
    }


def measure_dense(elements: int, bytes_max: int) -> dict[str, Any]:
    """Return the median time of numpy's dense product, from a slice of rows scaled to the whole matrix."""
    import numpy as np

    rows = max(1, min(elements, bytes_max // (8 * elements)))
    matrix: NDArray[np.float64] = np.full((rows, elements), 1 / elements)
    theta = np.random.default_rng(0).uniform(0, 100, elements)
    taken_ms = [_timed(partial(np.matmul, matrix, theta))[1] for _ in range(8)][1:]
    slice_ms = statistics.median(taken_ms)
    return {
        "product_ms": round(slice_ms * elements / rows, 2),
        "rows_measured": rows,
        "slice_ms": round(slice_ms, 3),
        "matrix_gb": round(8 * elements**2 / 1e9, 3),
        "gb_per_s": round(8 * rows * elements / slice_ms / 1e6, 1),
        "scaled_from_slice": rows < elements,
    }


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began_s = perf_counter()
    result = work()
    return result, (perf_counter() - began_s) * 1e3


def _resident_mb() -> float | None:
    """Return the most memory that the process has held so far, MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def _show(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    dense = document["dense"]
    table = Table("", "operator", "choice", "window", "against dense", box=None)
    for kernel, each in document["polynomial"].items():
        if each is not None:
            table.add_row(
                f"polynomial, {kernel}",
                f"{each['operator_ms']:.2f} ms",
                f"{each['choice_ms']:.2f} ms",
                f"{each['window_ms']:.2f} ms",
                f"{each['times_faster_than_dense']:.0f} x faster",
            )
    table.add_row("numpy, dense", f"{dense['product_ms']:.0f} ms", "", "", "")
    out = Console(highlight=False, soft_wrap=True)
    out.print(
        f"{document['shape']}, {document['area_cm2']:g} cm2: {document['elements']} elements, "
        f"{document['cells']} cells, tolerance {document['tolerance']:g}, "
        f"at most {document['resident_mb_max']} MB resident without the dense matrix"
    )
    out.print(table)
    out.print(
        f"medians; dense: {dense['rows_measured']} of {document['elements']} rows measured at "
        f"{dense['gb_per_s']} GB/s and scaled by rows to the whole {dense['matrix_gb']} GB"
    )
    if document["polynomial"]["fused"] is None:
        console().print('the fused kernel needs the fast extra: pip install "cosmic-lpbf[fast]"', markup=False)
