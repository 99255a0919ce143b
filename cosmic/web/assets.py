"""The files of a page, read once from their packages, and served from memory with a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources

from aiohttp import web

from cosmic.web.server import Handler

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Assets:
    """The files in the folder `static` of `packages`; the first that has a name wins."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for package in packages:
            for entry in resources.files(package).joinpath("static").iterdir():
                kind = TYPES.get(entry.name[entry.name.rfind(".") :])
                if kind is not None and entry.name not in self._files:
                    content = entry.read_bytes()
                    self._files[entry.name] = (content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')

    def routes(self) -> dict[str, Handler]:
        """Return the routes of all files that are no pages of their own, below `/static/`."""
        return {f"/static/{name}": self.serve(name) for name in self._files if not name.endswith(".html")}

    def serve(self, name: str) -> Handler:
        """Return what answers with the file `name`."""
        content, kind, tag = self._files[name]
        headers = {"Content-Type": kind, "ETag": tag, "Cache-Control": "no-cache"}

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
            return web.Response(body=content, headers=headers)

        return answer
