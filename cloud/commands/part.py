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

from cosmic.commands import JsonOption, console, print_json
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

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


@app.command(epilog="Example: cosmic-cloud part build gear.stl -o gear --element 0.4 --island 3.2")
def build(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="STL file, binary or ASCII.")],
    output: Output,
    element: Element = None,
    island: Island = None,
    units: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Of the file: mm, cm, m or inch.  [default: mm]")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(metavar="N", help="Only the lowest N layers.  [default: all]")
    ] = None,
    name: Name = None,
    process_file: ProcessFile = None,
    changes: Changes = None,
    operators: Operators = None,
    blocks: Blocks = "1x1",
    precision: Precision = "float64",
    plate: Annotated[str, typer.Option(metavar="XxYxZ", help="What the printer can build, mm.")] = "250x250x300",
    force: Force = False,
    json: JsonOption = False,
) -> None:
    """Prepare a part from a solid: slices, elements, cells, inputs."""
    from thermal.building import build_part

    plate_mm = parse_plate(plate)
    process = _process(process_file, changes, element)
    dense = _dense(operators, blocks, precision)
    _check_target(output, force=force, dense=dense is not None)
    with progress_shown() as progress:
        part = build_part(
            source,
            process,
            island_mm=island,
            units=units,
            layers=layers,
            name=name,
            plate_mm=plate_mm,
            progress=progress,
        )
        part = _write(part, output, force=force, dense=dense, progress=progress)
    _show(part, json=json)


@app.command(epilog="Example: cosmic-cloud part sample segmented-gear --area 16 -o gear16")
def sample(
    shape: Annotated[str, typer.Argument(metavar="NAME", help="Name of the shape, such as segmented-gear.")],
    output: Output,
    area: Annotated[float, typer.Option(metavar="CM2", help="Area of a layer, cm2.")] = 16.0,
    element: Element = None,
    island: Island = None,
    layers: Annotated[int, typer.Option(metavar="N", help="Number of layers.")] = 10,
    name: Name = None,
    process_file: ProcessFile = None,
    changes: Changes = None,
    operators: Operators = None,
    blocks: Blocks = "1x1",
    precision: Precision = "float64",
    force: Force = False,
    json: JsonOption = False,
) -> None:
    """Prepare a sample part of a given area; every layer has the same outline."""
    from thermal.building import build_from_outline
    from thermal.shapes import outline_of

    process = _process(process_file, changes, element)
    dense = _dense(operators, blocks, precision)
    outline = outline_of(shape, area)
    _check_target(output, force=force, dense=dense is not None)
    with progress_shown() as progress:
        part = build_from_outline(
            outline,
            name or f"{shape} {area:g} cm2",
            process,
            layers=layers,
            island_mm=island,
            progress=progress,
        )
        part = _write(part, output, force=force, dense=dense, progress=progress)
    _show(part, json=json)


@app.command(epilog="Example: cosmic-cloud part show gear --json")
def show(folder: Folder, json: JsonOption = False) -> None:
    """Show what a prepared part holds; check that it is whole."""
    from thermal.part import load_part

    _show(load_part(folder), json=json)


def part_document(part: Part) -> dict[str, Any]:
    """Return what `show --json` prints; the numbers of a layer are those of the largest geometry."""
    import msgspec

    from thermal.operators import dense_bytes

    def of(number: int) -> dict[str, Any]:
        geometry = part.geometries[number]
        windows_ms = geometry.windows_s(part.process) * 1e3
        return {
            "geometry": number,
            "layers": part.manifest.layers.count(number),
            "elements": geometry.elements,
            "cells": len(geometry.cells),
            "distinct_operators": len(geometry.distinct_lengths),
            "area_cm2": round(geometry.area_m2 * 1e4, 6),
            "window_ms": {
                "min": round(float(windows_ms.min()), 6),
                "mean": round(float(windows_ms.mean()), 6),
                "max": round(float(windows_ms.max()), 6),
            },
            "layer_s": round(float(windows_ms.sum()) / 1e3, 6),
            "bytes": part.manifest.geometries[number].bytes,
            "dense_float64_bytes": dense_bytes(geometry),
        }

    largest = of(part.largest.number)
    spreading_s = part.process.spreading_s * part.layers
    scanning_s = sum(
        of(number)["layer_s"] * part.manifest.layers.count(number) for number in range(len(part.geometries))
    )
    return {
        "name": part.name,
        "digest": part.digest,
        "folder": str(part.folder) if part.folder else None,
        "layers": part.layers,
        "geometries": len(part.geometries),
        **{key: largest[key] for key in ("elements", "cells", "distinct_operators", "area_cm2", "window_ms")},
        "layer_s": largest["layer_s"],
        "duration_s": round(scanning_s + spreading_s, 3),
        "bytes": sum(entry.bytes for entry in part.manifest.geometries),
        "island_elements": part.manifest.islands.side_elements,
        "operator": msgspec.to_builtins(part.manifest.operator),
        "process": msgspec.to_builtins(part.process),
        "geometry": [of(number) for number in range(len(part.geometries))],
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


def _write(
    part: Part,
    output: Path,
    *,
    force: bool,
    dense: tuple[tuple[int, int], str] | None,
    progress: Callable[[str, int, int], None],
) -> Part:
    from thermal.operators import write_blocks
    from thermal.part import MANIFEST, load_part, write_part

    there = load_part(output) if dense and not force and (output / MANIFEST).is_file() else None
    if there is None or there.digest != part.digest:
        there = write_part(part, output, force=force)
    if dense is not None:
        blocks, precision = dense
        for geometry in there.geometries:
            what = f"dense operators of geometry {geometry.number + 1} of {len(there.geometries)}"
            write_blocks(
                output,
                there.digest,
                geometry,
                there.process,
                blocks=blocks,
                precision=precision,
                progress=partial(progress, what),
            )
    return there


def _show(part: Part, *, json: bool) -> None:
    document = part_document(part)
    if json:
        print_json(document)
        return
    from rich.console import Console
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
        ("windows", f"{window['min']:.1f} to {window['max']:.1f} ms, mean {window['mean']:.1f} ms"),
        (
            "duration",
            f"{document['layer_s']:.2f} s the largest layer, {document['duration_s'] / 60:.1f} min in all",
        ),
        ("on disk", f"{document['bytes'] / 1e6:.2f} MB"),
        ("operator", f"{part.manifest.operator.variant}, tolerance {part.manifest.operator.tolerance:g}"),
    ):
        table.add_row(label, value)
    Console(highlight=False).print(table)
