"""Tables and maps to files. A file is seen under its name only when it is whole."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from agent.export.tables import LayerRow, WindowRow, columns_of
from agent.recorder.reading import Recording
from cosmic.errors import ConfigurationError, CosmicError

Rows = Iterable[WindowRow] | Iterable[LayerRow]


def write_csv(rows: Rows, kind: type[WindowRow | LayerRow], file: IO[str]) -> int:
    """Write a table with a head line; times as RFC 3339 in UTC, unknown values empty. Return how many rows."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns_of(kind))
    count = 0
    for row in rows:
        table.writerow([_shown(value) for value in msgspec.structs.astuple(row)])
        count += 1
    return count


def write_parquet(rows: Rows, kind: type[WindowRow | LayerRow], path: Path) -> int:
    """Write a table with typed columns; times are timestamps in UTC. Return how many rows.

    Raises ConfigurationError without the extra `parquet`.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  an extra
        import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed",
            where="--format parquet",
            remedy='pip install "cosmic-lpbf[parquet]", or take --format csv',
        ) from error
    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", tz="UTC")}
    schema = pa.schema([(name, types[plain]) for name, plain in columns_of(kind).items()])
    table = pa.Table.from_pylist([msgspec.structs.asdict(row) for row in rows], schema=schema)
    whole(path, lambda unborn: pq.write_table(table, unborn))
    count: int = table.num_rows
    return count


def write_maps(recording: Recording, layers: Iterable[int], folder: Path) -> list[Path]:
    """Write the maps of `layers` as `layer-00000-map.npy` and so on: float32[n], kelvin."""
    written = []
    for layer in layers:
        path = folder / f"layer-{layer:05d}-map.npy"
        write_map(recording, layer, path)
        written.append(path)
    return written


def write_map(recording: Recording, layer: int, path: Path) -> None:
    """Write the map of `layer` as npy: float32[n], kelvin."""
    map_K = recording.map_K(layer)

    def save(unborn: Path) -> None:
        with unborn.open("wb") as file:
            np.save(file, map_K)

    whole(path, save)


def whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have `write` make a file, and give it its name when it is whole. Raises CosmicError."""
    unborn = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(unborn)
        unborn.replace(path)
    except OSError as error:
        raise CosmicError(
            f"it cannot be written: {error.strerror or error}",
            where=str(path),
            remedy="choose another place with -o",
        ) from error
    finally:
        with suppress(OSError):
            unborn.unlink()


def _shown(value: Any) -> Any:
    if value is None:
        return ""
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
