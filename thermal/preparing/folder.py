"""Builds a part straight into its folder: in parallel, and going on where an earlier build was interrupted.

Geometries are finished one by one in a work folder beside the target, under names that their content gives
them. A work folder has no manifest and a name that begins with a dot: nobody takes it for a part.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cosmic.errors import PartError
from thermal.elements import ELEMENTS_MAX
from thermal.exchange import put_in_place
from thermal.geometry import CutLayer
from thermal.manifest import SCHEMA, CellsUsed, GeometryEntry, Manifest, part_digest
from thermal.part import (
    MANIFEST,
    Part,
    check_target,
    geometry_file,
    load_part,
    make_manifest,
    unwritable,
    verify_part,
    write_manifest,
)
from thermal.preparing.cutting import Progress, cut_layers
from thermal.preparing.workers import worker_processes, write_geometry
from thermal.process import Process
from thermal.sources import Source

PROCESSES = 2
"""Processes that compute inputs, unless told."""

WORTH_A_PROCESS = 300_000
"""Elements of all geometries still to do below which starting processes takes longer than it saves."""


@dataclass(slots=True)
class _Build:
    """The geometries of one build, by number."""

    work: Path
    process: Process
    lazy: bool
    layers: list[int] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int, tuple[float, float]]] = field(default_factory=list)
    labels: dict[int, tuple[str, int]] = field(default_factory=dict)


def build_folder(
    source: Source,
    folder: Path,
    process: Process,
    cells: CellsUsed,
    *,
    name: str | None = None,
    lazy: bool = False,
    force: bool = False,
    keep_equal: bool = False,
    processes: int = PROCESSES,
    elements_max: int = ELEMENTS_MAX,
    progress: Progress | None = None,
) -> Part:
    """Build a part into a folder, whole or not at all; return it.

    What an interrupted build with the same settings has finished is used again.

    Args:
        source: the layers.
        folder: of the part; must not exist unless `force` or `keep_equal`.
        process: process settings; the layer thickness gives way to the source's own, if it has one.
        cells: how to cut layers into cells.
        name: of the part; None: the source's.
        lazy: write elements and cells only; inputs are computed where a geometry is first used.
        force: replace a part that is there.
        keep_equal: leave a part that is there, if it has the same digest.
        processes: that compute inputs; 1 computes in this one.
        elements_max: most elements that a layer may have.
        progress: told at every step.

    Raises:
        GeometryError: a layer cannot be prepared.
        PartError: the folder exists, cannot be written, or is being built by someone else.
    """
    folder = Path(folder).absolute()
    if not keep_equal:
        check_target(folder, force=force)
    process = process_for(source, process)
    try:
        with _work_folder(folder) as work:
            build = _Build(work, process, lazy)
            _geometries(build, source, cells, processes, elements_max, progress)
            manifest = make_manifest(
                name or source.name, process, _entries(build), build.layers, cells
            )  # fmt: skip
            if keep_equal and (folder / MANIFEST).is_file() and load_part(folder).digest == part_digest(manifest):
                return load_part(folder)
            check_target(folder, force=force)
            _assemble(build, manifest, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return load_part(folder)


def process_for(source: Source, process: Process) -> Process:
    """Return the process settings with the layer thickness of the source, where it tells one.

    Raises:
        ProcessError: that thickness is not physical.
    """
    return process if source.layer_m is None else msgspec.structs.replace(process, layer_m=source.layer_m)


@contextlib.contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Give the work folder of a target, held by this process alone; it is removed after success."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.with_name(f".{folder.name}.work")
    work.mkdir(exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PartError(
                "it is being built already",
                where=str(folder),
                remedy="wait for the other build, or choose another folder",
            ) from None
        try:
            yield work
        except BaseException:
            if not any(work.glob("*.npz")):
                shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)


def _geometries(
    build: _Build,
    source: Source,
    cells: CellsUsed,
    processes: int,
    elements_max: int,
    progress: Progress | None,
) -> None:
    """Cut the layers and write the array file of every distinct one."""
    waiting: list[tuple[int, CutLayer]] = []
    with contextlib.ExitStack() as stack:
        executor: Executor | None = None
        running: dict[Future[tuple[str, int]], int] = {}
        for cut in cut_layers(source, build.process, cells, elements_max=elements_max, progress=progress):
            build.layers.append(cut.number)
            if cut.layer is None or _finished(build, cut.layer):
                continue
            waiting.append((cut.number, cut.layer))
            if executor is None and processes > 1 and not build.lazy and len(waiting) > 1:
                worth = sum(layer.elements for _, layer in waiting) > WORTH_A_PROCESS
                executor = stack.enter_context(worker_processes(processes)) if worth else None
            if executor is not None:
                _submit(build, waiting, executor, running, processes, progress)
            elif build.lazy:
                _compute(build, waiting, None)
        if executor is not None:
            _collect(build, running, 0, progress)
        _compute(build, waiting, progress)


def _finished(build: _Build, layer: CutLayer) -> bool:
    """Note a new geometry; return whether an earlier build has finished it."""
    known = hashlib.sha256(f"{SCHEMA} {build.lazy} {build.process!r} {layer.dx_m!r} {layer.digest()}".encode())
    file = build.work / f"{known.hexdigest()}.npz"
    number = len(build.files)
    build.files.append(file)
    build.sizes.append((layer.elements, len(layer.cells), layer.origin_m))
    if not file.is_file():
        return False
    content = file.read_bytes()
    build.labels[number] = hashlib.sha256(content).hexdigest(), len(content)
    return True


def _submit(
    build: _Build,
    waiting: list[tuple[int, CutLayer]],
    executor: Executor,
    running: dict[Future[tuple[str, int]], int],
    processes: int,
    progress: Progress | None,
) -> None:
    """Hand what waits to the workers; no more than a few geometries are held at a time."""
    while waiting:
        _collect(build, running, 3 * processes, progress)
        number, layer = waiting.pop(0)
        running[executor.submit(write_geometry, layer, build.process, build.files[number], lazy=False)] = number


def _collect(
    build: _Build, running: dict[Future[tuple[str, int]], int], left: int, progress: Progress | None
) -> None:
    """Wait until no more than `left` geometries are being computed."""
    while len(running) > left:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            build.labels[running.pop(future)] = future.result()
            if progress is not None:
                progress("inputs of geometries", len(build.labels), len(build.files))


def _compute(build: _Build, waiting: list[tuple[int, CutLayer]], progress: Progress | None) -> None:
    """Compute in this process what waits."""
    while waiting:
        number, layer = waiting.pop(0)
        what = f"inputs of geometry {number + 1} of {len(build.files)}"
        tell = None if progress is None else Step(progress, what)
        build.labels[number] = write_geometry(
            layer, build.process, build.files[number], lazy=build.lazy, progress=tell
        )


class Step:
    """One step of the work as a progress callback of (done, total)."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        """Pass the numbers on with what is being done."""
        self._progress(self._what, done, total)


def _entries(build: _Build) -> list[GeometryEntry]:
    return [
        GeometryEntry(
            file=geometry_file(number),
            sha256=build.labels[number][0],
            bytes=build.labels[number][1],
            elements=elements,
            cells=cells,
            origin_m=origin_m,
            inputs="derived" if build.lazy else "stored",
        )
        for number, (elements, cells, origin_m) in enumerate(build.sizes)
    ]


def _assemble(build: _Build, manifest: Manifest, folder: Path) -> None:
    """Put the finished geometries and the manifest in place. Raises OSError and PartError."""
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for entry, file in zip(manifest.geometries, build.files, strict=True):
            _link(file, partial / entry.file)
        write_manifest(partial, manifest)
        partial.chmod(0o755)  # mkdtemp's folders are for their owner alone
        verify_part(partial)
        put_in_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:  # file systems without hard links
        shutil.copyfile(file, name)
