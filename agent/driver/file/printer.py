"""The file driver: takes each layer's build file, and writes it back in the decided order before its limit.

The machine tells nothing of what it does with the file: once it is written, the layer counts as scanned as written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from agent.configuration import BuildFiles
from agent.driver.file.build_file import BuildFile, parse
from agent.driver.file.cells import CellHatches, hatches_of_cells
from agent.driver.file.folder import FILE_BYTES_MAX, Folders, Found
from agent.driver.file.order import FileOrder
from agent.driver.interface import (
    CellFinished,
    CellStarted,
    Fault,
    JobDone,
    JobStarted,
    LayerDone,
    LayerReady,
    Listener,
    Position,
    SpreadingStarted,
)
from cosmic.errors import CosmicError, DriverError, GeometryError
from thermal.part import Part

_log = structlog.get_logger()

TELL_AT_ONCE = 64
"""Windows told in one go: the uplink sends them in between."""

AGAIN_S = 1.0
"""How long a folder that cannot be used is left alone, seconds."""


class BuildFilePrinter:
    """A machine that takes one build file a layer, printing `part`.

    Attributes:
        order: the fallback order: that of the file.
    """

    def __init__(self, part: Part, settings: BuildFiles) -> None:
        """Take the settings. Raises ConfigurationError for folders that cannot be used."""
        self.order = FileOrder(self._order_of)
        self._part = part
        self._settings = settings
        self._folders = Folders(settings)
        self._listener: Listener = lambda _event: None
        self._layer = -1
        self._cells: CellHatches | None = None
        self._decided: asyncio.Future[Sequence[int]] | None = None
        self._aborted = ""
        self._named: set[str] = set()

    def windows_s(self, layer: int) -> Sequence[float]:
        """Return how long each cell takes by the part's speed, seconds."""
        step_s = self._part.process.step_s
        return [int(length) * step_s for length in self._part.geometry_of(layer).lengths]

    def scan(self, window: int, cell: int) -> None:
        """Raises DriverError: this machine takes whole layers."""
        raise DriverError(f"cell {cell} for window {window}", why="a machine with build files takes whole layers")

    def sequence(self, window: int, cells: Sequence[int]) -> None:
        """Take the order of the layer."""
        if window == 0 and self._decided is not None and not self._decided.done():
            self._decided.set_result(list(cells))

    def report(self) -> None:
        """Say that nothing is known."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._listener, Position(self._layer, False, (), False, loop.time()))

    def refuse(self, error: DriverError) -> None:
        """Nobody is there to be told."""

    def abort(self, reason: str) -> None:
        """End the job after the layer in progress."""
        self._aborted = reason

    async def run(self, listener: Listener) -> None:
        """Write the build files of a job back as they come."""
        self._listener = listener
        listener(JobStarted(self._part.layers))
        while self._layer < self._part.layers - 1 and not self._aborted:
            found, build = await self._wait_for_file()
            if found is not None and build is not None:
                await self._print(found, build)
        listener(JobDone(self._aborted or "all layers printed", complete=True))

    async def _print(self, found: Found, build: BuildFile) -> None:
        """Have a layer decided and written."""
        layer, self._layer = found.layer, found.layer
        geometry = await asyncio.to_thread(self._part.geometry_of, layer)
        try:
            cells = await asyncio.to_thread(hatches_of_cells, build, geometry, str(found.path))
        except GeometryError as error:
            self._fault(f"{error}; the file was passed on as it is")
            await self._write(found, build.raw, order="original")
            return
        self._cells, self._decided = cells, asyncio.get_running_loop().create_future()
        self._listener(LayerReady(layer))
        order = await self._decided
        if tuple(order) == cells.order:
            await self._write(found, build.raw, order="original")
        else:
            content = await asyncio.to_thread(build.with_hatches, cells.in_order(order))
            await self._write(found, content, order="decided")
        await self._tell_cells(layer, order)
        self._listener(LayerDone(layer, 0.0))
        if layer < self._part.layers - 1:
            self._listener(SpreadingStarted(layer + 1, self._part.process.spreading_s))

    async def _tell_cells(self, layer: int, cells: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        for window, cell in enumerate(cells):
            self._listener(CellStarted(layer, window, cell, loop.time()))
            self._listener(CellFinished(layer, window, cell, loop.time()))
            if window % TELL_AT_ONCE == TELL_AT_ONCE - 1:
                await asyncio.sleep(0)

    async def _wait_for_file(self) -> tuple[Found | None, BuildFile | None]:
        """Return the next layer's file when it is whole; nothing when the job is to end."""
        loop = asyncio.get_running_loop()
        seen: Found | None = None
        since_s = first_s = loop.time()
        while not self._aborted:
            found = await self._look()
            if found is None or seen is None or found.path != seen.path:
                first_s = loop.time()
            if found is None or found != seen:
                seen, since_s = found, loop.time()
            elif loop.time() >= since_s + self._settings.settle_ms / 1e3:
                build = await self._read(found, late=loop.time() >= first_s + self._settings.incomplete_s)
                if build is not None:
                    return found, build
            await asyncio.sleep(self._settings.poll_ms / 1e3)
        return None, None

    async def _look(self) -> Found | None:
        try:
            return await asyncio.to_thread(self._folders.next_file, self._layer, self._part.layers)
        except OSError as error:
            self._fault_once(f"the folder of build files cannot be read: {error.strerror}")
            return None

    async def _read(self, found: Found, *, late: bool) -> BuildFile | None:
        """Return the file if it is whole; name what is wrong with it when that has lasted (`late`)."""
        try:
            if found.bytes > FILE_BYTES_MAX:
                raise GeometryError(
                    f"{found.bytes} bytes", where=str(found.path), why=f"at most {FILE_BYTES_MAX} are read"
                )
            raw = await asyncio.to_thread(found.path.read_bytes)
            return await asyncio.to_thread(parse, raw, str(found.path))
        except CosmicError as error:
            if late:
                self._fault_once(f"{error}; it is waited for until it is whole")
        except OSError as error:
            self._fault_once(f"{found.path}: the file cannot be read: {error.strerror}")
        return None

    async def _write(self, found: Found, content: bytes, *, order: str) -> None:
        """Write a file for the machine, as often as it takes."""
        while True:
            try:
                path = await asyncio.to_thread(self._folders.write, found.path.name, content)
            except OSError as error:
                self._fault_once(f"{found.path.name} cannot be written for the machine: {error.strerror}")
                await asyncio.sleep(AGAIN_S)
            else:
                _log.info("build_file", layer=found.layer, file=str(path), order=order, bytes=len(content))
                self._named.clear()
                return

    def _fault_once(self, text: str) -> None:
        if text not in self._named:
            self._named.add(text)
            self._fault(text)

    def _fault(self, text: str) -> None:
        self._listener(Fault(text))

    def _order_of(self, layer: int) -> Sequence[int]:
        """Return the cells of a layer as its file scans them."""
        if self._cells is None or layer != self._layer:
            return range(self._part.size_of(layer)[1])
        return self._cells.order
