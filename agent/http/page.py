"""Serves the live page, its updates and everything else of the agent over HTTP, beside the printing."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Self

import msgspec
import structlog
from aiohttp import web

from agent.http.metrics import METRICS, Pages, samples
from agent.http.view import View
from cosmic.web.assets import Assets
from cosmic.web.events import EventStream, frame
from cosmic.web.health import LoopTurns, health_handler, json_response, ready_handler
from cosmic.web.images import geometry_image, map_image
from cosmic.web.metrics import Metrics
from cosmic.web.server import Site, WebServer
from cosmic.web.settings import Http
from thermal.geometry import Geometry
from thermal.part import Part

_log = structlog.get_logger()

BEAT_S = 1.0
"""Longest time between two updates, seconds: a page that hears nothing for longer says so."""

GEOMETRIES_MAX = 4
"""Layer geometries kept ready for pages."""


class Page:
    """The agent's web server: `async with` it around the printing.

    Attributes:
        server: the server, with its port and address.
    """

    def __init__(self, settings: Http, view: View, part: Part) -> None:
        """Prepare. Raises ConfigurationError for a token, certificate or address that cannot be used."""
        self._view = view
        self._part = part
        self._interval_s = 1.0 / settings.updates_per_s
        self._stream = EventStream(self._first, clients_max=settings.clients_max, slow_s=settings.slow_s)
        self._turns = LoopTurns()
        self._sent = 0
        self._images: OrderedDict[tuple[str, int], asyncio.Task[bytes]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        assets = Assets(["agent.http", "cosmic.web"])
        metrics = Metrics(METRICS, lambda: samples(view, lambda: Pages(self._stream.clients, self._stream.cut_off)))
        self.server = WebServer(
            settings,
            Site(
                {
                    "/": assets.serve("index.html"),
                    **assets.routes(),
                    "/api/events": self._stream.respond,
                    "/api/state": self._state,
                    "/api/map": self._map,
                    "/api/geometry/{number}": self._geometry,
                    "/metrics": metrics.answer,
                    "/healthz": health_handler(self._turns),
                    "/readyz": ready_handler(view.not_ready),
                },
                closing=self._stream.close,
            ),
        )

    async def __aenter__(self) -> Self:
        """Begin to serve. Raises ConfigurationError where the address cannot be used."""
        await self.server.__aenter__()
        self._turns.start()
        self._task = asyncio.create_task(self._publish())
        self._task.add_done_callback(_ended)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._turns.stop()
        tasks: list[asyncio.Task[None] | asyncio.Task[bytes]] = [*self._images.values()]
        if self._task is not None:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._stream.clients:
            self._stream.publish(self._frame(self._view.update(self._sent)))  # the last word: how the job ended
        await self.server.__aexit__(*error)

    async def _publish(self) -> None:
        """Send an update when something changed, at most so often; and one a second as a sign of life."""
        changed = self._view.live.changed
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await changed.wait()
            changed.clear()
            if self._stream.clients:
                self._stream.publish(self._frame(self._view.update(self._sent)))
            self._sent = self._view.live.rows_seen
            await asyncio.sleep(self._interval_s)

    def _first(self) -> bytes:
        return self._frame(self._view.update(0, whole=True))

    @staticmethod
    def _frame(update: object) -> bytes:
        return frame("update", msgspec.json.encode(update))

    # --- answers ----------------------------------------------------------------------------------------------

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return json_response(self._view.state())

    async def _map(self, _request: web.Request) -> web.StreamResponse:
        layer = self._view.live.layer
        if layer is None or layer.map_K is None:
            return web.Response(status=404, text="no map has been taken yet\n")
        number, version, map_from, map_K = layer.number, layer.map_version, layer.map_from, layer.map_K
        image = await self._image(("map", version), lambda: map_image(number, version, map_from, map_K))
        return web.Response(body=image, headers={"Content-Type": "application/json"})

    async def _geometry(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["number"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
        if not 0 <= number < len(self._part.geometries):
            return web.Response(status=404, text=f"the part has {len(self._part.geometries)} geometries\n")
        image = await self._image(("geometry", number), lambda: _drawn(self._part.geometries[number]))
        return web.Response(body=image, headers={"Content-Type": "application/json"})

    async def _image(self, key: tuple[str, int], make: Callable[[], bytes]) -> bytes:
        """Return an image, made once in a thread for all pages that want it."""
        task = self._images.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._images[key] = asyncio.create_task(asyncio.to_thread(make))
            same = [known for known in self._images if known[0] == key[0]]
            for old in same[: len(same) - (GEOMETRIES_MAX if key[0] == "geometry" else 1)]:
                del self._images[old]
        return await asyncio.shield(task)


def _drawn(geometry: Geometry) -> bytes:
    return geometry_image(geometry.number, geometry.dx_m, geometry.row, geometry.col, geometry.cells)


def _ended(task: asyncio.Task[None]) -> None:
    """Say so should publishing itself break: that is a bug, and printing goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("http_stopped", cause=f"{type(error).__name__}: {error}", remedy="report this")
