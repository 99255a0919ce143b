"""A web server that only shows: GET alone, bounded in connections, requests, bytes and time.

It runs on the event loop of whoever starts it; what a request costs there is kept small, and bounded by the limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import structlog
from aiohttp import web

from cosmic.errors import ConfigurationError
from cosmic.web.access import HEADERS, Access, RateLimit, Refusal, is_loopback, known_names
from cosmic.web.settings import Http

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SEND_BUFFER_BYTES = 256 * 1024
"""What the kernel holds for a reader that does not read."""

HEADER_BYTES_MAX = 4096
"""Longest request line, and longest header."""

BACKLOG = 8
"""Connections taken in one turn of the loop: a flood must not hold it up."""

END_S = 1.0
"""How long answers in progress are waited for at the end, seconds."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Site:
    """What a server shows.

    Attributes:
        routes: path -> handler; a path may hold `{name}` for one segment.
        closing: called when the server ends, before open answers are waited for.
    """

    routes: Mapping[str, Handler]
    closing: Callable[[], None] = field(default=lambda: None)


class WebServer:
    """Serves `site` while it is entered with `async with`.

    Attributes:
        host: address listened on, once started.
        port: port listened on, once started.
    """

    def __init__(self, settings: Http, site: Site) -> None:
        """Prepare. Raises ConfigurationError for a token, certificate or address that cannot be used."""
        self.host = settings.host
        self.port = settings.port or 0
        self._settings = settings
        self._site = site
        self._access = Access(_token(settings), known_names(settings.names))
        self._tls = _tls(settings)
        self._rate = RateLimit(settings.requests_per_s_max)
        self._silent: set[Any] = set()
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.Server] = []

    @property
    def url(self) -> str:
        """Where the page is, as one types it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        shown = f"[{host}]" if ":" in host else host
        return f"{'http' if self._tls is None else 'https'}://{shown}:{self.port}/"

    @property
    def connections(self) -> int:
        """TCP connections that are open."""
        server = None if self._runner is None else self._runner.server
        return 0 if server is None else len(server.connections)

    async def __aenter__(self) -> Self:
        """Begin to listen. Raises ConfigurationError where the address cannot be used."""
        app = web.Application(middlewares=[self._guarded], client_max_size=1024, logger=_library_logger())
        app.on_response_prepare.append(_with_headers)
        for path, handler in self._site.routes.items():
            app.router.add_get(path, handler, allow_head=True)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_library_logger(),
            keepalive_timeout=15.0,
            lingering_time=0.0,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            handler_cancellation=True,  # a page that is closed is let go of at once
            shutdown_timeout=END_S,
        )
        await self._runner.setup()
        try:
            await self._listen()
        except BaseException:
            await self._close()
            raise
        _log.info("http", url=self.url, host=self.host, port=self.port, tls=self._tls is not None)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._site.closing()
        await self._close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
            )
            for family, _, _, _, address in dict.fromkeys(found):
                listening = _bound(family, (str(address[0]), self.port))
                self.port = listening.getsockname()[1]
                server = await loop.create_server(self._protocol, sock=listening, ssl=self._tls, backlog=BACKLOG)
                self._servers.append(server)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen: {error.strerror or error}",
                where=f"http, {self.host}:{self.port}",
                remedy="choose a free http.port (0 takes one) and an address of this machine for http.host",
            ) from error

    # --- requests ---------------------------------------------------------------------------------------------

    def _protocol(self) -> asyncio.Protocol:
        """Return who speaks on a new connection: nobody, where there are too many."""
        assert self._runner is not None
        assert self._runner.server is not None
        if self.connections >= self._settings.connections_max:
            return _Full()
        protocol: Any = self._runner.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._settings.request_s, self._give_up_unless_asked, protocol)
        return protocol  # type: ignore[no-any-return]

    def _give_up_unless_asked(self, protocol: Any) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            protocol.force_close()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        refusal = self._refusal(request)
        if refusal is not None:
            return _refused(refusal)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.status} {error.reason}\n")
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  a bug in a page must not end the server
            _log.error("http_failed", path=request.path, cause=f"{type(error).__name__}: {error}")
            response = web.Response(status=500, text="internal error, see the log\n")
        return response

    def _refusal(self, request: web.Request) -> Refusal | None:
        if not self._rate.take(asyncio.get_running_loop().time()):
            limit = self._settings.requests_per_s_max
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"more than {limit:g} requests a second")
        if request.can_read_body:
            return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a request here has no body")
        return self._access.refusal(request.method, request.path, request.headers)


class _Full(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it, without a word: words are work."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _with_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "cosmic"
    response.headers.setdefault("Cache-Control", "no-store")


def _refused(refusal: Refusal) -> web.Response:
    response = web.Response(status=refusal.status, text=refusal.text + "\n")
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="cosmic", charset="UTF-8"'
    if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, HEAD"
    if refusal.status is HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = "1"
    response.force_close()
    return response


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.ExitStack() as undo:
        undo.callback(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # accepted sockets inherit it
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.setblocking(False)
        undo.pop_all()
    return listening


def _token(settings: Http) -> str:
    if not settings.token_file:
        if is_loopback(settings.host):
            return ""
        raise ConfigurationError(
            f"{settings.host} can be reached from other machines",
            where="http.host",
            why="readers must then bring a token",
            remedy="name a file with one in http.token_file, or listen on 127.0.0.1",
        )
    try:
        token = Path(settings.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the token cannot be read: {getattr(error, 'strerror', None) or error}",
            where=f"http.token_file, {settings.token_file}",
            remedy="check the path and the permissions",
        ) from error
    if len(token) < 16:
        raise ConfigurationError(
            f"the token has {len(token)} characters",
            where=f"http.token_file, {settings.token_file}",
            why="it needs at least 16",
            remedy="make one with: openssl rand -hex 32",
        )
    return token


def _tls(settings: Http) -> ssl.SSLContext | None:
    if not settings.certificate_file and not settings.key_file:
        return None
    if not settings.certificate_file or not settings.key_file:
        raise ConfigurationError(
            "certificate_file and key_file go together", where="http", remedy="set both or none"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:  # ssl.SSLError is one as well
        raise ConfigurationError(
            f"the certificate or its key cannot be used: {error.strerror or error}",
            where=f"http, {settings.certificate_file}, {settings.key_file}",
            remedy="name a PEM certificate chain and its key, readable by this user",
        ) from error
    return context


class _ToStructlog(logging.Handler):
    """Hands what the library logs on to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        _log.log(record.levelno, "http_library", message=record.getMessage(), cause=str(error) if error else None)


def _library_logger() -> logging.Logger:
    logger = logging.getLogger("cosmic.web.aiohttp")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(_ToStructlog())
    return logger
