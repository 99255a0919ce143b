# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent export`: a recording as a table, or its maps as npy."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, console, print_json
from cosmic.errors import UsageError

if TYPE_CHECKING:
    from agent.recorder.reading import Recording


class Format(Enum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


class Table(Enum):
    """Which table is written."""

    WINDOWS = "windows"
    LAYERS = "layers"


def export(
    recording: Annotated[Path, typer.Argument(metavar="REC", help="A recording, or the folder of a job's.")],
    form: Annotated[
        Format, typer.Option("--format", help="CSV goes to stdout unless -o names a file.")
    ] = Format.CSV,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write.")] = None,
    table: Annotated[Table, typer.Option("--table", help="A row a window, or a row a layer.")] = Table.WINDOWS,
    maps: Annotated[
        str | None,
        typer.Option(
            "--map", metavar="LAYER", help="Write a layer's first map as npy instead; 'all': a folder of them."
        ),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Write a recording as a table with typed columns, or a layer's map as 'cosmic-cloud order --map' reads it.

    What could not be read of the recording is said on stderr; the rest is written.
    """
    from agent.recorder.reading import read

    read_in = read(recording)
    for problem in read_in.problems:
        console().print(f"{problem}", soft_wrap=True)
    if maps is not None:
        done = _write_maps(read_in, maps, output)
    else:
        done = _write_table(read_in, form, table, output, json)
    if json:
        print_json({**done, "problems": [str(problem) for problem in read_in.problems]})


def _write_maps(recording: Recording, layer: str, output: Path | None) -> dict[str, Any]:
    from agent.export.files import write_map, write_maps

    if layer == "all":
        folder = output or Path(f"{recording.path.parent.name}-maps")
        written = write_maps(recording, sorted(recording.maps), folder)
    elif layer.isdecimal():
        path = output or Path(f"layer-{int(layer):05d}-map.npy")
        write_map(recording, int(layer), path)
        written = [path]
    else:
        raise UsageError(f"'{layer}' is no layer", where="--map", remedy="give a number from 0, or 'all'")
    _say(f"{len(written)} {'map' if len(written) == 1 else 'maps'}", output or (written[0] if written else None))
    return {"maps": [str(path) for path in written]}


def _write_table(
    recording: Recording, form: Format, table: Table, output: Path | None, json: bool
) -> dict[str, Any]:
    from agent.export.files import Rows, whole, write_csv, write_parquet
    from agent.export.tables import LayerRow, WindowRow, layer_rows, window_rows

    kind: type[WindowRow | LayerRow] = WindowRow if table is Table.WINDOWS else LayerRow
    rows: Rows = window_rows(recording) if table is Table.WINDOWS else layer_rows(recording)
    if output is None and (form is Format.PARQUET or json):
        output = Path(f"{recording.path.parent.name}-{table.value}.{form.value}")
    if output is None:
        write_csv(rows, kind, sys.stdout)
        return {}
    if form is Format.PARQUET:
        count = write_parquet(rows, kind, output)
    else:
        counted: list[int] = []

        def write(unborn: Path) -> None:
            with unborn.open("w", encoding="utf-8", newline="") as file:
                counted.append(write_csv(rows, kind, file))

        whole(output, write)
        count = counted[0]
    _say(f"{count} {table.value}", output)
    return {"file": str(output), "format": form.value, "table": table.value, "rows": count}


def _say(what: str, path: Path | None) -> None:
    console().print(f"{what} written" + ("" if path is None else f": {path}"), soft_wrap=True)
