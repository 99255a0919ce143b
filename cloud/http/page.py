"""Serves the coordinator's pages, its state and metrics over HTTP, beside the printers' port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Self

import msgspec
import numpy as np
import structlog
from aiohttp import web

from cloud.configuration import CoordinatorSettings
from cloud.http.metrics import METRICS, Pages, samples
from cloud.http.view import Shown, View
from cloud.serving.glances import Picture
from cosmic.web.assets import Assets
from cosmic.web.events import EventStream, frame
from cosmic.web.health import LoopTurns, health_handler, json_response, ready_handler
from cosmic.web.images import geometry_image, map_image
from cosmic.web.metrics import Metrics, Sample
from cosmic.web.server import Site, WebServer

_log = structlog.get_logger()

BEAT_S = 1.0
"""Longest time between two updates, seconds: a page that hears nothing for longer says so."""


class Page:
    """The coordinator's web server: `async with` it around the serving.

    Attributes:
        server: the server, with its port and address.
    """

    def __init__(self, settings: CoordinatorSettings, coordinator: Shown) -> None:
        """Prepare. Raises ConfigurationError for a token, certificate or address that cannot be used."""
        http = settings.http
        self._view = View(coordinator, settings)
        self._interval_s = 1.0 / http.updates_per_s
        self._clients_max, self._slow_s = http.clients_max, http.slow_s
        self._turns = LoopTurns()
        self._all = EventStream(self._frame_of_all, clients_max=http.clients_max, slow_s=http.slow_s)
        self._each: dict[str, EventStream] = {}
        self._cut_off = 0
        self._task: asyncio.Task[None] | None = None
        assets = Assets(["cloud.http", "cosmic.web"])
        self.server = WebServer(
            http,
            Site(
                {
                    "/": assets.serve("index.html"),
                    "/printers/{name}": assets.serve("printer.html"),
                    **assets.routes(),
                    "/api/events": self._all.respond,
                    "/api/state": self._state,
                    "/api/printers/{name}": self._printer,
                    "/api/printers/{name}/events": self._events,
                    "/api/printers/{name}/map": self._map,
                    "/api/printers/{name}/geometry": self._geometry,
                    "/metrics": Metrics(METRICS, self._samples).answer,
                    "/healthz": health_handler(self._turns),
                    "/readyz": ready_handler(coordinator.not_ready),
                },
                closing=self._close_streams,
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
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.server.__aexit__(*error)

    async def _publish(self) -> None:
        """Send an update when something was noted, at most so often; and one a second as a sign of life."""
        loop, ledger = asyncio.get_running_loop(), self._view.ledger
        version, said_s = -1, 0.0
        while True:
            await asyncio.sleep(self._interval_s)
            now_s = loop.time()
            if ledger.version == version and now_s - said_s < BEAT_S:
                continue
            version, said_s = ledger.version, now_s
            if self._all.clients:
                self._all.publish(self._frame_of_all())
            for name, stream in list(self._each.items()):
                if stream.clients:
                    stream.publish(self._frame_of(name))

    def _close_streams(self) -> None:
        for stream in (self._all, *self._each.values()):
            stream.close()

    def _frame_of_all(self) -> bytes:
        return frame("update", msgspec.json.encode(self._view.state(self._turns.worst_s)))

    def _frame_of(self, name: str) -> bytes:
        return frame("update", msgspec.json.encode(self._view.detail(name)))

    # --- answers ----------------------------------------------------------------------------------------------

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return json_response(self._view.state(self._turns.worst_s))

    async def _printer(self, request: web.Request) -> web.StreamResponse:
        detail = self._view.detail(_name(request))
        return _unknown(request) if detail is None else json_response(detail)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        if name not in self._view.ledger.printers:
            return _unknown(request)
        if self._clients() >= self._clients_max:
            return web.Response(status=503, text=f"{self._clients_max} pages are open (http.clients_max)\n")
        stream = self._each.get(name)
        if stream is None:
            stream = EventStream(lambda: self._frame_of(name), clients_max=self._clients_max, slow_s=self._slow_s)
            self._each[name] = stream
        try:
            return await stream.respond(request)
        finally:
            if not stream.clients and self._each.get(name) is stream:
                self._cut_off += stream.cut_off
                del self._each[name]

    async def _map(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        picture = self._view.picture(name)
        if picture is None:
            return web.Response(status=404, text="no layer is being decided for this printer\n")
        version = self._view.map_version(name, picture)
        return await _drawn(lambda: map_image(0, version, "printer", np.frombuffer(picture.map_K, dtype="<f4")))

    async def _geometry(self, request: web.Request) -> web.StreamResponse:
        picture = self._view.picture(_name(request))
        if picture is None:
            return web.Response(status=404, text="no layer is being decided for this printer\n")
        return await _drawn(lambda: _geometry_image(picture))

    # --- metrics ----------------------------------------------------------------------------------------------

    def _clients(self) -> int:
        return self._all.clients + sum(stream.clients for stream in self._each.values())

    def _samples(self) -> Iterator[Sample]:
        cut_off = self._cut_off + self._all.cut_off + sum(stream.cut_off for stream in self._each.values())
        pages = Pages(self._clients(), cut_off)
        return samples(self._view.state(self._turns.worst_s), self._view.ledger.sums, pages)


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _unknown(request: web.Request) -> web.Response:
    return web.Response(status=404, text=f"no printer {_name(request)[:100]!r} has connected since the start\n")


async def _drawn(make: Callable[[], bytes]) -> web.Response:
    return web.Response(body=await asyncio.to_thread(make), headers={"Content-Type": "application/json"})


def _geometry_image(picture: Picture) -> bytes:
    geometry = picture.geometry
    return geometry_image(geometry.number, geometry.dx_m, geometry.row, geometry.col, geometry.cells)


def _ended(task: asyncio.Task[None]) -> None:
    """Say so should publishing itself break: that is a bug, and serving goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("http_stopped", cause=f"{type(error).__name__}: {error}", remedy="report this")
