"""How the broker is reached: MQTT 5, a last will, TLS, a password or a client certificate.

aiomqtt comes with the extra `mqtt` and is imported here, when a broker is configured.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.configuration import Mqtt
from agent.names import Names
from cosmic.errors import ConfigurationError

if TYPE_CHECKING:
    import aiomqtt

QOS = 1
"""Every message is confirmed by the broker."""
PORT = 1883
PORT_TLS = 8883


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes in the agent's place: `payload` on `topic`."""

    topic: str
    payload: bytes
    retain: bool


class Connector:
    """Makes clients for one broker.

    Attributes:
        failures: what an attempt or a connection may fail with, beside OSError.
    """

    def __init__(
        self, settings: Mqtt, identifier: str, will: Callable[[], Will], names: Names | None = None
    ) -> None:
        """Read what is needed to connect.

        will: called for every connection, says what the broker is to publish when that connection is lost.
        identifier: the client's name at the broker. It is the same at every connection: a broker ends the older of
            two connections of one name, so that a connection that died unnoticed can never speak after this one.
        names: looks the broker's name up; None: the system does.
        Raises ConfigurationError when the extra is not installed, or a password or certificate cannot be read.
        """
        self._aiomqtt = _import()
        self.failures: tuple[type[Exception], ...] = (self._aiomqtt.MqttError, OSError, ValueError)
        self._settings = settings
        self._identifier = identifier
        self._password = _password(settings)
        self._tls = _tls_context(settings)
        self._will = will
        self._names = names or Names()
        self._logger = logging.getLogger("agent.mqtt")
        self._logger.setLevel(logging.CRITICAL + 1)  # what matters is logged where it is handled

    @property
    def address(self) -> str:
        """The broker's host and port."""
        return f"{self._settings.host}:{self._port}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[aiomqtt.Client]:
        """Give a connected client, disconnected at the end. Raises one of `failures`."""
        await self._name_is_known()
        async with self.client() as client:
            yield client

    async def _name_is_known(self) -> None:
        """Return once the broker's name has an address. Raises OSError where it has none, or none in time.

        The client looks it up itself, on a thread that it would hold for as long as a name server is silent.
        """
        try:
            async with asyncio.timeout(self._settings.answer_s):
                await self._names.addresses(self._settings.host, self._port)
        except TimeoutError:
            why = f"no name server has answered within {self._settings.answer_s:g} s (mqtt.answer_s)"
            raise OSError(f"the address of {self._settings.host} is not known yet: {why}") from None

    def client(self) -> aiomqtt.Client:
        """Return a client that is not yet connected. Call it on the event loop."""
        settings = self._settings
        will = self._will()
        client: aiomqtt.Client = self._aiomqtt.Client(
            settings.host,
            self._port,
            username=settings.username or None,
            password=self._password,
            identifier=self._identifier,
            protocol=self._aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            will=self._aiomqtt.Will(will.topic, will.payload, qos=QOS, retain=will.retain),
            tls_context=self._tls,
            timeout=settings.answer_s,
            keepalive=settings.keepalive_s,
            max_queued_incoming_messages=16,
            logger=self._logger,
        )
        # aiomqtt leaves these futures alone when an attempt or a farewell times out; paho may still fail them
        # when the connection ends at last, and asyncio would write a traceback of what nobody waits for.
        for future in (client._connected, client._disconnected):  # noqa: SLF001
            future.add_done_callback(_look_at)
        return client

    @property
    def _port(self) -> int:
        if self._settings.port is not None:
            return self._settings.port
        return PORT if self._tls is None else PORT_TLS


def _look_at(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


def _import() -> Any:
    try:
        import aiomqtt  # noqa: PLC0415  optional
    except ImportError as error:
        raise ConfigurationError(
            "MQTT needs the library aiomqtt",
            where="mqtt.host",
            why="it is not installed with the agent alone",
            remedy='pip install "cosmic-lpbf[mqtt]"',
        ) from error
    return aiomqtt


def _password(settings: Mqtt) -> str | None:
    if not settings.password_file:
        return None
    try:
        return Path(settings.password_file).read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the password cannot be read: {error}",
            where="mqtt.password_file",
            remedy="name a file that the agent's user can read",
        ) from error


def _tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    named = [name for name in ("ca_file", "certificate_file", "key_file") if getattr(settings, name)]
    if not settings.tls:
        if named:
            raise ConfigurationError(
                f"mqtt.{named[0]} is set without TLS", where="mqtt.tls", remedy="set mqtt.tls = true"
            )
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates cannot be read: {error}",
            where=", ".join(f"mqtt.{name} {getattr(settings, name)}" for name in named),
            remedy="name PEM files that the agent's user can read",
        ) from error
    return context
