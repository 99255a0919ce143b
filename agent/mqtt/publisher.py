"""Publishes the status for as long as the agent runs, whatever the broker does. Printing never waits for it.

It listens to the status and takes note; a task of its own connects, publishes at the configured rate, and connects
again. Each time it connects, the broker gets all that is retained: one that forgot everything is right again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import msgspec

from agent.configuration import Mqtt
from agent.mqtt.connection import QOS, Connector, Will
from agent.mqtt.discovery import discovery
from agent.mqtt.outbox import Due, Outbox
from agent.mqtt.payloads import event_payload, now, payload_of
from agent.mqtt.reconnecting import Reconnecting, first_to_end
from agent.mqtt.topics import EVENT, STATUS, base_topic
from agent.status import Status, StatusEvent, Subject

if TYPE_CHECKING:
    import aiomqtt


class Publisher:
    """Keeps a broker informed of `status`: `async with` it around the printing."""

    def __init__(self, settings: Mqtt, printer: str, status: Status, *, seed: int = 0) -> None:
        """Prepare; nothing is connected yet.

        Raises ConfigurationError when the extra `mqtt` is not installed, or a setting cannot be used.
        """
        self._settings = settings
        self._printer = printer
        self._status = status
        self._base = base_topic(settings.site, printer)
        will = Will(f"{self._base}/{STATUS}", b"offline", retain=True)
        connector = Connector(settings, f"cosmic-{settings.site}-{printer}", lambda: will)
        self._line = Reconnecting(settings, connector, self._live, event="mqtt", seed=seed)
        self._outbox = Outbox(interval_s=settings.interval_s, events_max=settings.queue_events)
        status.listen(self._take_note)

    @property
    def connected(self) -> bool:
        """Whether the broker has all and takes more."""
        return self._line.connected

    async def __aenter__(self) -> Self:
        self._line.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Say `offline`, publish what waits, and go."""
        await self._line.close()

    def _take_note(self, what: Subject | StatusEvent) -> None:
        if isinstance(what, Subject):
            self._outbox.changed(what)
        else:
            self._outbox.happened(event_payload(what, time=now()))
        self._line.news.set()

    async def _live(self, client: aiomqtt.Client) -> None:
        await self._announce(client)
        self._outbox.connected()
        self._line.up()
        await first_to_end(self._watch(client), self._publish_all(client))

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
            if message.payload == b"offline" and not self._line.closing:
                await self._send(client, STATUS, b"online", retain=True)

    async def _publish_all(self, client: aiomqtt.Client) -> None:
        while not self._line.closing:
            self._line.news.clear()
            due = self._outbox.take(asyncio.get_running_loop().time())
            if due is not None:
                await self._publish(client, due)
            else:
                await self._line.wait(self._outbox.next_s())
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
