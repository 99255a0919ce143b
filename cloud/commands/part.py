# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud part`: prepare parts and look at them.

Words and output only; the work is thermal's, imported when a command runs so that `--help` is quick.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import JsonOption, console, print_json, result_console
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermal.manifest import CellsUsed
    from thermal.part import Part
    from thermal.process import Process

app = typer.Typer(help="Prepare parts and look at them.", no_args_is_help=True)

LINE_EVERY_S = 3.0

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a prepared part.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to make for the part.")]
Element = Annotated[
    float | None, typer.Option(metavar="MM", help="Side of an element and hatch distance, mm.  [default: 0.2]")
]
Island = Annotated[
    float | None,
    typer.Option(metavar="MM", help="Side of an island, a whole number of elements, mm.  [default: about 2.8]"),
]
Name = Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the part.")]
ProcessFile = Annotated[
    Path | None, typer.Option("--process", metavar="FILE", help="Process settings, TOML; see --set for keys.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one process setting, such as power_W=280."),
]
Operators = Annotated[str | None, typer.Option(metavar="dense", help="Also write dense operators beside the part.")]
Blocks = Annotated[str, typer.Option(metavar="RxC", help="Cut of the dense operators: rows x columns.")]
Precision = Annotated[str, typer.Option(metavar="TYPE", help="Of the dense operators: float64 or float32.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a part that is there.")]


Partition = Annotated[str, typer.Option(metavar="KIND", help="How to cut a layer: islands or stripes.")]
StripeWidth = Annotated[float | None, typer.Option(metavar="MM", help="Width of a stripe, mm.  [default: 5]")]
StripeAngle = Annotated[
    float | None, typer.Option(metavar="DEG", help="Direction of the stripes from x towards y.  [default: 0]")
]
StripeRotation = Annotated[
    float | None, typer.Option(metavar="DEG", help="Turn of the direction from layer to layer.  [default: 0]")
]
StripeLength = Annotated[
    float | None, typer.Option(metavar="MM", help="Cut stripes into pieces of this length.  [default: whole]")
]
Cells = Annotated[
    str, typer.Option(metavar="FROM", help="partition: cut anew; hatches: the groups of a build file.")
]
ElementsMax = Annotated[int, typer.Option(metavar="N", min=1, help="Most elements of a layer.")]
Processes = Annotated[int, typer.Option(metavar="N", min=1, help="Processes that compute.")]
Lazy = Annotated[bool, typer.Option("--lazy", help="Leave the inputs of cells to their first use.")]

ELEMENTS_MAX = 4_000_000
PROCESSES = 2


@app.command(epilog="Example: cosmic-cloud part build gear.stl -o gear --element 0.4 --island 3.2")
def build(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="STL, 3MF, CLI, PNG or npy file, or a folder of masks.")
    ],
    output: Output,
    element: Element = None,
    partition: Partition = "islands",
    island: Island = None,
    stripe_width: StripeWidth = None,
    stripe_angle: StripeAngle = None,
    stripe_rotation: StripeRotation = None,
    stripe_length: StripeLength = None,
    cells: Cells = "partition",
    units: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Of an STL file: mm, cm, m or inch.  [default: mm]")
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only the lowest N layers; of a single mask: so many.  [default: all]"),
    ] = None,
    name: Name = None,
    process_file: ProcessFile = None,
    changes: Changes = None,
    operators: Operators = None,
    blocks: Blocks = "1x1",
    precision: Precision = "float64",
    plate: Annotated[str, typer.Option(metavar="XxYxZ", help="What the printer can build, mm.")] = "250x250x300",
    elements_max: ElementsMax = ELEMENTS_MAX,
    lazy: Lazy = False,
    processes: Processes = PROCESSES,
    force: Force = False,
    json: JsonOption = False,
) -> None:
    """Prepare a part from a solid, a build file or masks: outlines, elements, cells, inputs.

    What was finished when a build is interrupted is used when it is repeated.
    """
    from thermal.building import build_folder, open_source

    plate_mm = parse_plate(plate)
    process = _process(process_file, changes, element)
    stripes = (stripe_width, stripe_angle, stripe_rotation, stripe_length)
    cut = _cells(cells, partition, island, stripes, process)
    dense = _dense(operators, blocks, precision)
    _check_target(output, force=force, dense=dense is not None)
    with progress_shown() as progress:
        part = build_folder(
            open_source(source, process, layers=layers, units=units, plate_mm=plate_mm),
            output,
            process,
            cut,
            name=name,
            lazy=lazy,
            force=force,
            keep_equal=dense is not None,
            processes=processes,
            elements_max=elements_max,
            progress=progress,
        )
        _write_dense(part, dense, progress)
    _show(part, json=json)


@app.command(epilog="Example: cosmic-cloud part sample segmented-gear --area 16 -o gear16")
def sample(
    shape: Annotated[str, typer.Argument(metavar="NAME", help="Name of the shape, such as segmented-gear.")],
    output: Output,
    area: Annotated[float, typer.Option(metavar="CM2", help="Area of a layer, cm2.")] = 16.0,
    element: Element = None,
    partition: Partition = "islands",
    island: Island = None,
    stripe_width: StripeWidth = None,
    stripe_angle: StripeAngle = None,
    stripe_rotation: StripeRotation = None,
    stripe_length: StripeLength = None,
    layers: Annotated[int, typer.Option(metavar="N", help="Number of layers.")] = 10,
    name: Name = None,
    process_file: ProcessFile = None,
    changes: Changes = None,
    operators: Operators = None,
    blocks: Blocks = "1x1",
    precision: Precision = "float64",
    elements_max: ElementsMax = ELEMENTS_MAX,
    lazy: Lazy = False,
    force: Force = False,
    json: JsonOption = False,
) -> None:
    """Prepare a sample part of a given area; every layer has the same outline."""
    from thermal.building import build_folder
    from thermal.shapes import outline_of
    from thermal.sources import DrawnSource

    process = _process(process_file, changes, element)
    stripes = (stripe_width, stripe_angle, stripe_rotation, stripe_length)
    cut = _cells("partition", partition, island, stripes, process)
    dense = _dense(operators, blocks, precision)
    outline = outline_of(shape, area)
    _check_target(output, force=force, dense=dense is not None)
    with progress_shown() as progress:
        part = build_folder(
            DrawnSource(outline, name or f"{shape} {area:g} cm2", layers),
            output,
            process,
            cut,
            lazy=lazy,
            force=force,
            keep_equal=dense is not None,
            elements_max=elements_max,
            progress=progress,
        )
        _write_dense(part, dense, progress)
    _show(part, json=json)


@app.command(epilog="Example: cosmic-cloud part samples -o jobs")
def samples(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the parts' folders.")],
    layers: Annotated[int, typer.Option(metavar="N", help="Number of layers of each.")] = 10,
    processes: Processes = PROCESSES,
    json: JsonOption = False,
) -> None:
    """Prepare the thirty jobs of the paper's evaluation: ten shapes of 9, 16 and 25 cm2. Skips what is done."""
    from thermal.jobs import build_jobs

    with progress_shown() as progress:
        parts = build_jobs(output, layers=layers, processes=processes, progress=progress)
    documents = [part_document(part) for part in parts]
    if json:
        print_json({"jobs": [{key: one[key] for key in _JOB_KEYS} for one in documents]})
        return
    from rich.table import Table

    table = Table(box=None)
    for column in ("job", "elements", "cells", "operators", "window", "layer", "if dense"):
        table.add_column(column, justify="left" if column == "job" else "right", no_wrap=True)
    for one in documents:
        table.add_row(
            str(one["name"]),
            str(one["elements"]),
            str(one["cells"]),
            str(one["distinct_operators"]),
            f"{one['window_ms']['mean']:.1f} ms",
            f"{one['layer_s']:.2f} s",
            f"{one['dense_float64_bytes'] / 1e9:.0f} GB",
        )
    result_console().print(table)


_JOB_KEYS = (
    "name", "folder", "digest", "layers", "elements", "cells", "distinct_operators", "area_cm2", "window_ms",
    "layer_s", "dense_float64_bytes",
)  # fmt: skip


@app.command(epilog="Example: cosmic-cloud part show gear --plot cells.png")
def show(
    folder: Folder,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the cells of a layer: .png, .svg or .pdf.")
    ] = None,
    layer: Annotated[int, typer.Option(metavar="N", help="Layer to draw, from 0.")] = 0,
    json: JsonOption = False,
) -> None:
    """Show what a prepared part holds; check that it is whole."""
    from thermal.part import verify_part

    part = verify_part(folder)
    if plot is not None:
        from thermal.drawing import draw_layer

        draw_layer(part, layer, plot)
    _show(part, json=json)


def part_document(part: Part) -> dict[str, Any]:
    """Return what `show --json` prints; the numbers of a layer are those of the largest geometry."""
    import msgspec

    spread = [_geometry_document(part, number) for number in range(len(part.geometries))]
    counts = [part.manifest.layers.count(number) for number in range(len(spread))]
    largest = max(spread, key=lambda one: one["elements"])
    scanning_s = sum(one["layer_s"] * count for one, count in zip(spread, counts, strict=True))
    return {
        "name": part.name,
        "digest": part.digest,
        "folder": str(part.folder) if part.folder else None,
        "layers": part.layers,
        "geometries": len(spread),
        **{
            key: largest[key]
            for key in ("elements", "cells", "distinct_operators", "area_cm2", "window_ms", "dense_float64_bytes")
        },
        "layer_s": largest["layer_s"],
        "duration_s": round(scanning_s + part.process.spreading_s * part.layers, 3),
        "bytes": sum(entry.bytes for entry in part.manifest.geometries),
        "partition": msgspec.to_builtins(part.manifest.cells),
        "operator": msgspec.to_builtins(part.manifest.operator),
        "process": msgspec.to_builtins(part.process),
        "geometry": [one | {"layers": count} for one, count in zip(spread, counts, strict=True)],
    }


def _geometry_document(part: Part, number: int) -> dict[str, Any]:
    from thermal.cutfiles import read_cut
    from thermal.windows import window_statistics

    entry = part.manifest.geometries[number]
    lengths = read_cut(part, number).lengths
    distinct = len(set(lengths.tolist()))
    return {
        "geometry": number,
        "layers": 0,
        "elements": entry.elements,
        "cells": entry.cells,
        "distinct_operators": distinct,
        "area_cm2": round(entry.elements * part.process.element_m**2 * 1e4, 6),
        "window_ms": window_statistics(lengths * part.process.step_s * 1e3),
        "layer_s": round(entry.elements * part.process.step_s, 6),
        "bytes": entry.bytes,
        "inputs": entry.inputs,
        "dense_float64_bytes": distinct * entry.elements**2 * 8,
    }


def parse_blocks(text: str) -> tuple[int, int]:
    """Read `RxC`.

    Raises:
        UsageError: it is not two positive whole numbers.
    """
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise UsageError(
            f"'{text}' is not a cut into blocks", where="--blocks", remedy="write rows x columns, such as 4x1"
        )
    return int(rows), int(columns)


def parse_plate(text: str) -> tuple[float, float, float]:
    """Read `XxYxZ`, mm.

    Raises:
        UsageError: it is not three positive numbers.
    """
    try:
        x, y, z = (float(side) for side in text.lower().split("x"))
    except ValueError:
        x = y = z = 0.0
    if not min(x, y, z) > 0:
        raise UsageError(
            f"'{text}' is not the size of a plate", where="--plate", remedy="write it as 250x250x300, mm"
        )
    return x, y, z


@contextmanager
def progress_shown() -> Iterator[Callable[[str, int, int], None]]:
    """Show progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""
    err = console()
    if not err.is_terminal:
        said_s = time.monotonic()

        def say(what: str, done: int, total: int) -> None:
            nonlocal said_s
            if time.monotonic() - said_s >= LINE_EVERY_S:
                said_s = time.monotonic()
                err.print(f"{what}: {done} of {total}")

        yield say
        return
    from rich.progress import Progress

    with Progress(console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def move(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield move


def _process(file: Path | None, changes: list[str] | None, element_mm: float | None) -> Process:
    from thermal.process import with_element
    from thermal.processfile import read_process

    process = read_process(file, changes or ())
    return process if element_mm is None else with_element(process, element_mm)


def _dense(operators: str | None, blocks: str, precision: str) -> tuple[tuple[int, int], str] | None:
    from thermal.operators.blocks import check_precision

    if operators is None:
        return None
    if operators != "dense":
        raise UsageError(
            f"there are no operators '{operators}' to write",
            where="--operators",
            remedy="only dense ones need writing: --operators dense",
        )
    check_precision(precision)
    return parse_blocks(blocks), precision


def _check_target(output: Path, *, force: bool, dense: bool) -> None:
    """Refuse a taken folder before the work; with dense operators the same part may be there to go on with."""
    from thermal.part import MANIFEST, check_target

    if not (dense and not force and (output / MANIFEST).is_file()):
        check_target(output, force=force)


def _write_dense(
    part: Part, dense: tuple[tuple[int, int], str] | None, progress: Callable[[str, int, int], None]
) -> None:
    """Write dense operators beside a part, or go on with writing them."""
    from thermal.operators import write_blocks

    if dense is None:
        return
    assert part.folder is not None
    blocks, precision = dense
    for geometry in part.geometries:
        what = f"dense operators of geometry {geometry.number + 1} of {len(part.geometries)}"
        write_blocks(
            part.folder,
            part.digest,
            geometry,
            part.process,
            blocks=blocks,
            precision=precision,
            progress=partial(progress, what),
            announce=lambda line: console().print(line, soft_wrap=True),
        )


def _cells(
    cells: str,
    partition: str,
    island: float | None,
    stripes: tuple[float | None, float | None, float | None, float | None],
    process: Process,
) -> CellsUsed:
    """Return how to cut layers, from the words of a command."""
    from thermal.building import HatchesUsed, islands_of, stripes_of

    if cells not in {"partition", "hatches"}:
        raise UsageError(f"cells cannot come from '{cells}'", where="--cells", remedy="use partition or hatches")
    if partition not in {"islands", "stripes"}:
        raise UsageError(
            f"there is no partition '{partition}'", where="--partition", remedy="use islands or stripes"
        )
    striped = any(value is not None for value in stripes)
    if (cells == "hatches" and (striped or island is not None)) or (striped and partition != "stripes"):
        raise UsageError(
            "the size of cells was given for cells of another kind",
            where="--partition",
            why="--island goes with islands, --stripe-... with --partition stripes, neither with --cells hatches",
            remedy="leave one of them out",
        )
    if cells == "hatches":
        return HatchesUsed()
    if partition == "stripes":
        width, angle, rotation, length = stripes
        if island is not None:
            raise UsageError("stripes have no --island", where="--island", remedy="use --stripe-width")
        return stripes_of(width, angle or 0.0, rotation or 0.0, length, process)
    return islands_of(island, process)


def _show(part: Part, *, json: bool) -> None:
    document = part_document(part)
    if json:
        print_json(document)
        return
    from rich.table import Table

    table = Table("", "", show_header=False, box=None)
    table.columns[1].overflow = "fold"
    window = document["window_ms"]
    for label, value in (
        ("part", part.name),
        ("digest", part.digest),
        ("layers", f"{part.layers}, {len(part.geometries)} distinct"),
        ("largest layer", f"{document['area_cm2']:.2f} cm2, {document['elements']} elements"),
        ("cells", f"{document['cells']}, {document['distinct_operators']} distinct operators"),
        (
            "windows",
            f"{window['min']:.1f} to {window['max']:.1f} ms, mean {window['mean']:.1f} ms, quartiles "
            + ", ".join(f"{window[key]:.1f}" for key in ("lower_quartile", "median", "upper_quartile")),
        ),
        (
            "duration",
            f"{document['layer_s']:.2f} s the largest layer, {document['duration_s'] / 60:.1f} min in all",
        ),
        ("on disk", f"{document['bytes'] / 1e6:.2f} MB"),
        ("operator", f"{part.manifest.operator.variant}, tolerance {part.manifest.operator.tolerance:g}"),
    ):
        table.add_row(label, value)
    result_console().print(table)
