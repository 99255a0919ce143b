"""Server-sent events to any number of pages: encoded once, queued per page; who does not read is cut off.

Whoever publishes never waits. A page that was cut off connects again by itself and gets everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

FRAMES_MAX = 32
"""Updates that wait for one page; one more, and it is cut off."""

RETRY_MS = 1000
"""How long a page waits before it connects again, ms."""


def frame(event: str, content: bytes) -> bytes:
    """Return one event on the wire. `content`: one line (JSON without line breaks)."""
    assert b"\n" not in content, "a line break would end the event"
    return b"event: %b\ndata: %b\n\n" % (event.encode(), content)


@dataclass(slots=True, eq=False)
class _Page:
    """A page that is open. `slow`: it did not read, and is cut off."""

    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(FRAMES_MAX + 1))
    slow: bool = False


class EventStream:
    """The pages that are open, and the updates on their way to them.

    first: returns the frame that brings a new page up to date.
    clients_max: pages at a time.
    slow_s: how long a write may take before the page is cut off, seconds.

    Attributes:
        cut_off: pages that were cut off because they did not read.
    """

    def __init__(self, first: Callable[[], bytes], *, clients_max: int, slow_s: float) -> None:
        self.cut_off = 0
        self._first = first
        self._clients_max = clients_max
        self._slow_s = slow_s
        self._pages: set[_Page] = set()

    @property
    def clients(self) -> int:
        """Pages that are open."""
        return len(self._pages)

    def publish(self, content: bytes) -> None:
        """Send a frame to every page; returns at once."""
        for page in list(self._pages):
            if page.queue.qsize() < FRAMES_MAX:
                page.queue.put_nowait(content)
            else:
                page.slow = True
                self._end(page)

    def close(self) -> None:
        """End all streams after what is on its way."""
        for page in list(self._pages):
            self._end(page)

    def _end(self, page: _Page) -> None:
        self._pages.discard(page)
        while page.slow and not page.queue.empty():
            page.queue.get_nowait()
        page.queue.put_nowait(None)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for the stream until the page goes away or is cut off."""
        if len(self._pages) >= self._clients_max:
            return web.Response(
                status=503,
                text=f"{self._clients_max} pages are open, the limit (http.clients_max): close one\n",
                headers={"Retry-After": "5"},
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        response.force_close()
        if request.method == "HEAD":
            return response
        page = _Page()
        self._pages.add(page)
        try:
            await response.prepare(request)
            await self._write(response, b"retry: %d\n\n%b" % (RETRY_MS, self._first()))
            while (content := await page.queue.get()) is not None:
                await self._write(response, content)
        except TimeoutError:
            page.slow = True
        except ConnectionError:  # the page was closed
            pass
        finally:
            self._pages.discard(page)
        if page.slow:
            self.cut_off += 1
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(self, response: web.StreamResponse, content: bytes) -> None:
        async with asyncio.timeout(self._slow_s):
            await response.write(content)
