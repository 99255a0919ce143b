"""The edge node: keeps a Sparkplug host informed of the printer, by a connection of its own.

A connection has one last will, and the death certificate must be it. Data is published by change, at most once in
`mqtt.interval_s`. Printing never waits for it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

import structlog

from agent.configuration import Mqtt
from agent.mqtt.connection import Connector, Will
from agent.mqtt.reconnecting import Reconnecting, first_to_end
from agent.mqtt.topics import level
from agent.sparkplug.metrics import readings
from agent.sparkplug.session import Session
from agent.status import Status, StatusEvent, Subject

if TYPE_CHECKING:
    import aiomqtt

_log = structlog.get_logger()

NAMESPACE = "spBv1.0"
QOS_DATA = 0
"""Of births and data: their sequence numbers, not the broker, tell a host what it missed (chapter 6)."""
QOS_COMMANDS = 1
REBIRTH_PAUSE_S = 1.0
"""Shortest time between births that a host asks for, seconds: whoever asks in a loop is not answered in one."""


class SparkplugNode:
    """Tells of `status`: `async with` it around the printing. Node and device both bear the printer's name."""

    def __init__(self, settings: Mqtt, printer: str, status: Status, *, seed: int = 1) -> None:
        """Prepare; nothing is connected yet.

        Raises ConfigurationError when the extra `mqtt` is not installed, or a name cannot stand in a topic.
        """
        self._settings = settings
        self._status = status
        self._session = Session()
        self._group = level("mqtt.site", settings.site)
        self._printer = level("printer.name", printer)
        identifier = f"cosmic-sparkplug-{settings.site}-{printer}"
        self._line = Reconnecting(
            settings, Connector(settings, identifier, self._will), self._live, event="sparkplug", seed=seed
        )
        self._rebirth = asyncio.Event()
        status.listen(self._take_note)

    @property
    def connected(self) -> bool:
        """Whether the host can know the printer."""
        return self._line.connected

    async def __aenter__(self) -> Self:
        self._line.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Say what is left to say, then the death certificate, and go."""
        await self._line.close()

    def topic(self, kind: str, *, device: bool = False) -> str:
        """Return the topic of messages of `kind` (NBIRTH, DDATA, ...)."""
        return f"{NAMESPACE}/{self._group}/{kind}/{self._printer}" + (f"/{self._printer}" if device else "")

    def _will(self) -> Will:
        return Will(self.topic("NDEATH"), self._session.death_of_next(), retain=False)

    def _take_note(self, what: Subject | StatusEvent) -> None:
        if isinstance(what, Subject):
            self._line.news.set()

    async def _live(self, client: aiomqtt.Client) -> None:
        # Commands first: a host that sees the birth may ask for another at once.
        await client.subscribe(self.topic("NCMD"), qos=QOS_COMMANDS)
        await self._be_born(client)
        self._line.up()
        await first_to_end(self._listen(client), self._publish(client))

    async def _be_born(self, client: aiomqtt.Client) -> None:
        self._rebirth.clear()
        await self._send(client, self.topic("NBIRTH"), self._session.node_birth(_time_ms()))
        birth = self._session.device_birth(_time_ms(), readings(self._status))
        await self._send(client, self.topic("DBIRTH", device=True), birth)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if self._session.asks_for_rebirth(bytes(message.payload)):
                self._rebirth.set()
                self._line.news.set()

    async def _publish(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        reborn_s = -REBIRTH_PAUSE_S
        while not self._line.closing:
            self._line.news.clear()
            now_s = loop.time()
            if self._rebirth.is_set() and now_s >= reborn_s + REBIRTH_PAUSE_S:
                reborn_s = now_s
                _log.info("sparkplug_rebirth", cause="asked for by a host")
                await self._be_born(client)
            elif now_s >= next_s:
                if await self._say_changes(client):
                    next_s = loop.time() + self._settings.interval_s
                await self._line.wait(reborn_s + REBIRTH_PAUSE_S if self._rebirth.is_set() else None)
            else:
                await self._line.wait(next_s)
        await self._say_changes(client)
        await client.publish(self.topic("NDEATH"), self._session.death(_time_ms()), qos=QOS_COMMANDS)

    async def _say_changes(self, client: aiomqtt.Client) -> bool:
        data = self._session.data(_time_ms(), readings(self._status))
        if data is not None:
            await self._send(client, self.topic("DDATA", device=True), data)
        return data is not None

    async def _send(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        await client.publish(topic, payload, qos=QOS_DATA, retain=False)


def _time_ms() -> int:
    """Return the wall time as Sparkplug gives it, ms since 1970 UTC: a label, nothing is decided by it."""
    return time.time_ns() // 1_000_000
