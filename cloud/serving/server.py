"""The coordinator's port: who may connect, what they may ask for, how many at a time, and how it all ends."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from time import thread_time
from typing import Any

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from cloud.access.certificates import Certificates
from cloud.access.strangers import Rates, Strangers
from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings
from cloud.parts import PartLibrary, UnknownPart
from cloud.parts.pool import PartPool
from cloud.serving.connections import PrinterConnection, library_logger
from cloud.serving.downloads import PartArchives, RangeNotSatisfiable
from cloud.serving.ledger import Ledger
from cloud.serving.places import Place
from cloud.serving.sessions import CLOSE_TRY_AGAIN_LATER, PrinterSession
from cloud.sharing.admission import Admission
from cloud.sharing.cores import usable_cores
from cosmic.errors import ConfigurationError, PartError
from protocol.limits import AGENT_PATH, SUBPROTOCOL

PARTS_PATH = "/v1/parts/"
HEALTH_PATH = "/healthz"

CLOSE_S = 2.0
"""Longest wait for a peer's part of a closing handshake, seconds."""

SOCKETS_FACTOR = 2
"""TCP connections at a time, as a multiple of `limits.connections_max`: some are still opening or are refused."""


class Coordinator:
    """The coordinator of one process: parts, printers and their connections.

    Attributes:
        host: address listened on, once started.
        port: port listened on, once started.
        on_connections: told the printer of every connection when one comes or goes.
        ledger: what has been done, for who looks on.
        admission: the jobs that have a place, and what they need.
    """

    def __init__(self, settings: CoordinatorSettings) -> None:
        self.host = settings.listen.host
        self.port = settings.listen.port
        self.on_connections: Callable[[list[str]], None] = lambda _printers: None
        self.ledger = Ledger()
        self._settings = settings
        self._library = PartLibrary(Path(settings.parts.directory))
        self._pool = PartPool(self._library, settings)
        self._tokens = TokenFile(Path(settings.tokens.file))
        self._archives = PartArchives(settings.parts.download_bytes_max)
        self.admission = Admission(
            usable_cores(), settings.limits.load_max, settings.limits.rejoin_s, settings.limits.jobs_max
        )
        self._strangers = Strangers(settings.limits)
        self._rates: OrderedDict[str, Rates] = OrderedDict()
        self._certificates: Certificates | None = None
        self._watching: asyncio.Task[None] | None = None
        self._downloads = 0
        self._sessions: dict[PrinterSession, str] = {}
        self._server: Server | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Begin to listen. Raises ConfigurationError where tokens, certificate or address cannot be used."""
        if not self._tokens.printers():
            self._log.warning(
                "no_printers",
                tokens=str(self._tokens.path),
                remedy="give one access with 'cosmic-cloud token add PRINTER'",
            )
        limits = self._settings.limits

        class Connection(PrinterConnection):
            strangers = self._strangers
            sockets_max = SOCKETS_FACTOR * limits.connections_max
            request_s = limits.handshake_s
            message_bytes_max = limits.message_bytes_max

        self._certificates = Certificates(self._settings.listen)
        context = self._certificates.context
        options: dict[str, Any] = {} if context is None else {"ssl_handshake_timeout": limits.handshake_s}
        try:
            self._server = await serve(
                self._connected,
                self._settings.listen.host,
                self._settings.listen.port,
                ssl=context,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                process_request=self._requested,
                server_header=None,
                # The request itself has `handshake_s`; the rest of this time is for a part to be sent.
                open_timeout=limits.handshake_s + self._settings.parts.download_s,
                close_timeout=CLOSE_S,
                ping_interval=limits.ping_interval_s,
                ping_timeout=limits.ping_timeout_s,
                max_size=limits.message_bytes_max,
                max_queue=limits.receive_queue_messages,
                logger=library_logger(),
                create_connection=Connection,
                **options,
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen: {error.strerror or error}",
                where=f"listen, {self.host}:{self.port}",
                remedy="choose a free port and an address of this machine",
            ) from error
        self.host, self.port = self._server.sockets[0].getsockname()[:2]
        self._log.info(
            "listening",
            host=self.host,
            port=self.port,
            tls=context is not None,
            parts=str(self._library.directory),
            engine=self._settings.engine.name,
        )
        self._pool.begin()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Tell every printer, close the connections, end the workers."""
        if self._server is None:
            return
        self._log.info("stopping", connections=len(self._sessions))
        if self._watching is not None:
            self._watching.cancel()
        self._server.close(close_connections=False)
        await asyncio.gather(*(session.shut_down() for session in list(self._sessions)))
        for connection in list(self._server.connections):
            await connection.close(1001, "shutting down")
        await self._server.wait_closed()
        await self._pool.close()
        self._archives.close()
        self._log.info("stopped")

    def not_ready(self) -> str:
        """Return why no printer can be served, empty where one can."""
        if self._server is None or not self._server.is_serving():
            return "the coordinator does not listen"
        if not self._tokens.printers():
            return "no printer has access: give one a token with 'cosmic-cloud token add PRINTER'"
        if not self._library.directory.is_dir():
            return f"there is no folder of parts at {self._library.directory}"
        return ""

    @property
    def parts_loaded(self) -> int:
        """Parts that are loaded or being loaded."""
        return self._pool.loaded

    # --- what may change meanwhile -------------------------------------------------------------------------

    def reload(self) -> None:
        """Read tokens and certificate again, whether they look changed or not."""
        self._look(anyway=True)

    async def _watch(self) -> None:
        """Look after tokens, certificate and the loop's load, every `tokens.check_s`."""
        while True:
            await asyncio.sleep(self._settings.tokens.check_s)
            self.admission.loop_used(thread_time())
            tally = self._pool.executor.turns.tally
            self.admission.turns_given(tally.given, tally.late)
            self._look(anyway=False)

    def _look(self, *, anyway: bool) -> None:
        self._tokens.refresh(anyway=anyway)
        for session, token_sha256 in self._sessions.items():
            if not self._tokens.stands(session.printer, token_sha256):
                session.cut("the token was revoked")
        if self._certificates is not None:
            self._certificates.refresh(anyway=anyway)

    # --- requests ---------------------------------------------------------------------------------------

    async def _requested(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an HTTP request, or return None to let the WebSocket handshake go on."""
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            return _respond(HTTPStatus.OK, "ok\n")
        if path != AGENT_PATH and not path.startswith(PARTS_PATH):
            return self._refuse(connection, HTTPStatus.NOT_FOUND, f"nothing is at {path[:100]}")
        assert isinstance(connection, PrinterConnection)
        access = self._tokens.access_of(_bearer(request.headers))
        if access is None:
            self._strangers.wrong(connection.host, asyncio.get_running_loop().time())
            return self._refuse(connection, HTTPStatus.UNAUTHORIZED, "the token is missing, wrong or revoked")
        connection.settled()
        printer = access.printer
        if path != AGENT_PATH:
            return await self._download(connection, request.headers, printer, path.removeprefix(PARTS_PATH))
        if SUBPROTOCOL not in _offered(request.headers):
            why = f"this coordinator speaks {SUBPROTOCOL} and no other version"
            return self._refuse(connection, HTTPStatus.BAD_REQUEST, why, printer)
        full = self._full(printer)
        if full is not None:
            return self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, full, printer)
        connection.printer, connection.token_sha256 = printer, access.sha256
        return None

    async def _download(
        self, connection: ServerConnection, headers: Headers, printer: str, digest: str
    ) -> Response:
        if self._downloads >= self._settings.parts.downloads_max:
            why = f"{self._downloads} parts are being downloaded, the limit: ask again in a few seconds"
            return self._refuse(connection, HTTPStatus.SERVICE_UNAVAILABLE, why, printer)
        self._downloads += 1
        try:
            folder = await self._library.folder_of(digest)
            piece = await self._archives.piece(digest, folder, _one(headers, "Range"))
        except RangeNotSatisfiable as error:
            return self._refuse(connection, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, str(error), printer)
        except UnknownPart as error:
            return self._refuse(connection, HTTPStatus.NOT_FOUND, str(error), printer)
        except PartError as error:
            return self._refuse(connection, HTTPStatus.INTERNAL_SERVER_ERROR, str(error), printer)
        finally:
            self._downloads -= 1
        connection.close_timeout = self._settings.parts.download_s
        self._log.info(
            "download",
            printer=printer,
            digest=digest,
            first=piece.first,
            bytes=len(piece.content),
            total=piece.total,
        )
        end = piece.first + len(piece.content) - 1
        response = _respond(HTTPStatus.PARTIAL_CONTENT if piece.partial else HTTPStatus.OK, piece.content)
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["ETag"] = f'"{digest}"'
        if piece.partial:
            response.headers["Content-Range"] = f"bytes {piece.first}-{end}/{piece.total}"
        return response

    def _refuse(
        self, connection: ServerConnection, status: HTTPStatus, why: str, printer: str | None = None
    ) -> Response:
        self._log.warning(
            "request_refused", status=status.value, cause=why, printer=printer, peer=_peer(connection)
        )
        response = _respond(status, why + "\n")
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Bearer realm="cosmic"'
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = "5"
        return response

    # --- connections ------------------------------------------------------------------------------------

    async def _connected(self, connection: ServerConnection) -> None:
        assert isinstance(connection, PrinterConnection)
        printer = connection.printer
        full = self._full(printer)  # again: others may have come while this handshake went on
        if full is not None:
            await connection.close(CLOSE_TRY_AGAIN_LATER, full[:120])
            return
        session = PrinterSession(
            connection,
            printer,
            self._pool,
            self._settings,
            self.ledger,
            Place(self.admission, self._rates_of(printer), printer, connection.accept_up_to),
        )
        self._sessions[session] = connection.token_sha256
        self._strangers.printer(connection.host, 1)
        self._tell_connections()
        self._log.info("connected", printer=printer, peer=_peer(connection), connections=len(self._sessions))
        try:
            await session.run()
        finally:
            del self._sessions[session]
            self._strangers.printer(connection.host, -1)
            self._tell_connections()

    def _rates_of(self, printer: str) -> Rates:
        """Return how fast `printer` may send. Remembered for the printers connected, and the latest that were."""
        rates = self._rates.setdefault(printer, Rates(self._settings.limits))
        self._rates.move_to_end(printer)
        while len(self._rates) > 2 * self._settings.limits.connections_max:
            self._rates.popitem(last=False)
        return rates

    def _tell_connections(self) -> None:
        self.on_connections([session.printer for session in self._sessions])

    def _full(self, printer: str) -> str | None:
        """Return why there is no room for another connection of `printer`, None where there is."""
        limits = self._settings.limits
        if len(self._sessions) >= limits.connections_max:
            return f"{limits.connections_max} connections are open, the limit of this coordinator"
        own = Counter(session.printer for session in self._sessions)[printer]
        if own >= limits.connections_per_printer_max:
            return f"{own} connections are open, the limit of one printer"
        return None


def _bearer(headers: Headers) -> str:
    scheme, _, token = (_one(headers, "Authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _one(headers: Headers, name: str) -> str | None:
    """Return a header's value, None where it is missing or there are several."""
    try:
        return headers.get(name)
    except MultipleValuesError:
        return None


def _offered(headers: Headers) -> set[str]:
    return {name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")}


def _peer(connection: ServerConnection) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)


def _respond(status: HTTPStatus, body: str | bytes) -> Response:
    content = body.encode() if isinstance(body, str) else body
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/x-tar"
    headers = Headers({"Connection": "close", "Content-Length": str(len(content)), "Content-Type": kind})
    return Response(status.value, status.phrase, headers, content)
