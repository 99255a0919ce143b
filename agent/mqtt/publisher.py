"""Publishes the status for as long as the agent runs, whatever the broker does. Printing never waits for it.

It listens to the status and takes note; a task of its own connects, publishes at the configured rate, and connects
again. Each time it connects, the broker gets all that is retained: one that forgot everything is right again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Self

import msgspec
import structlog

from agent.configuration import Mqtt
from agent.mqtt.connection import QOS, Connector
from agent.mqtt.discovery import discovery
from agent.mqtt.outbox import Due, Outbox
from agent.mqtt.payloads import event_payload, now, payload_of
from agent.mqtt.topics import EVENT, STATUS, base_topic
from agent.status import Status, StatusEvent, Subject
from agent.uplink.backoff import Backoff

if TYPE_CHECKING:
    import aiomqtt

_log = structlog.get_logger()

SAY_AGAIN_S = 60.0
"""How often the log repeats that the broker is away for the same cause, seconds."""


class Publisher:
    """Keeps a broker informed of `status`: `async with` it around the printing.

    Attributes:
        connected: True while the broker has all and takes more.
    """

    def __init__(self, settings: Mqtt, printer: str, status: Status, *, seed: int = 0) -> None:
        """Prepare; nothing is connected yet.

        Raises ConfigurationError when the extra `mqtt` is not installed, or a setting cannot be used.
        """
        self.connected = False
        self._settings = settings
        self._printer = printer
        self._status = status
        self._base = base_topic(settings.site, printer)
        self._connector = Connector(settings, f"cosmic-{settings.site}-{printer}", f"{self._base}/{STATUS}")
        self._outbox = Outbox(interval_s=settings.interval_s, events_max=settings.queue_events)
        self._news = asyncio.Event()
        self._backoff = Backoff(
            settings.backoff_min_s,
            settings.backoff_max_s,
            random.Random(seed),  # noqa: S311  jitter, not a secret
        )
        self._said: tuple[str, float] | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        status.listen(self._take_note)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Say `offline`, publish what waits, and go; a broker that does not answer is left after a while."""
        self._closing = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._settings.answer_s)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so should publishing itself break: that is a bug, and printing goes on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("mqtt_stopped", cause=f"{type(error).__name__}: {error}", remedy="report this")

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._connect_and_publish()
            except self._connector.failures as error:
                self._say_down(f"{error}" or type(error).__name__)
            self.connected = False
            if not self._closing:
                await self._pause(self._backoff.pause_s(fatal=False))

    def _take_note(self, what: Subject | StatusEvent) -> None:
        if isinstance(what, Subject):
            self._outbox.changed(what)
        else:
            self._outbox.happened(event_payload(what, time=now()))
        self._news.set()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when closing."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while not self._closing and (left_s := until_s - loop.time()) > 0.0:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout=left_s)

    def _say_down(self, cause: str) -> None:
        """Log a loss once for every cause, and once a minute while it lasts."""
        now_s = asyncio.get_running_loop().time()
        if self._said is not None and self._said[0] == cause and now_s - self._said[1] < SAY_AGAIN_S:
            return
        self._said = (cause, now_s)
        _log.warning("mqtt", mqtt="down", broker=self._connector.address, cause=cause)

    async def _connect_and_publish(self) -> None:
        async with self._connector.client() as client:
            await self._announce(client)
            self._outbox.connected()
            self.connected, self._said = True, None
            self._backoff.connected()
            _log.info("mqtt", mqtt="up", broker=self._connector.address)
            watching = asyncio.create_task(self._watch(client))
            publishing = asyncio.create_task(self._publish_all(client))
            try:
                await asyncio.wait({watching, publishing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (watching, publishing):
                    task.cancel()
                ended = await asyncio.gather(watching, publishing, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    async def _announce(self, client: aiomqtt.Client) -> None:
        await self._send(client, STATUS, b"online", retain=True)
        if self._settings.home_assistant:
            topic, payload = discovery(self._settings.home_assistant_prefix, self._base, self._printer)
            await client.publish(topic, payload, qos=QOS, retain=True)

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Notice the end of the connection, and set right a last will that comes late.

        The will of an older connection, which the broker gives up only now, would leave `offline` standing.
        """
        await client.subscribe(f"{self._base}/{STATUS}", qos=QOS)
        async for message in client.messages:
            if message.payload == b"offline" and not self._closing:
                await self._send(client, STATUS, b"online", retain=True)

    async def _publish_all(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            self._news.clear()
            due = self._outbox.take(loop.time())
            if due is not None:
                await self._publish(client, due)
                continue
            next_s = self._outbox.next_s()
            timeout_s = None if next_s is None else max(next_s - loop.time(), 0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout=timeout_s)
        await self._finish(client)

    async def _finish(self, client: aiomqtt.Client) -> None:
        """Publish what waits, past the rate, and leave in order: no last will is sent then."""
        self._outbox.finish()
        while (due := self._outbox.take(asyncio.get_running_loop().time())) is not None:
            await self._publish(client, due)
        await self._send(client, STATUS, b"offline", retain=True)

    async def _publish(self, client: aiomqtt.Client, due: Due) -> None:
        try:
            if due.event is not None:
                await self._send(client, EVENT, msgspec.json.encode(due.event), retain=False)
            elif due.subject is not None:
                payload = payload_of(self._status, due.subject, time=now(), events_dropped=self._outbox.dropped)
                # An empty payload takes back what is retained: a job before must not pass for this one.
                text = b"" if payload is None else msgspec.json.encode(payload)
                await self._send(client, due.subject.value, text, retain=True)
        except BaseException:
            self._outbox.give_back(due)
            raise

    async def _send(self, client: aiomqtt.Client, topic: str, payload: bytes, *, retain: bool) -> None:
        await client.publish(f"{self._base}/{topic}", payload, qos=QOS, retain=retain)
