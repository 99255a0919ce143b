"""An MQTT broker in memory, with the face that aiomqtt's client has: retained messages, last wills, faults.

Printing must not notice it, whatever it does: it may be gone, or take nothing and answer nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Self

from aiomqtt import MqttError

from tests.support.virtual_processes import Process, current

ANSWER_S = 0.001


class Broker:
    """The broker.

    Attributes:
        retained: the last retained payload of every topic.
        published: messages taken, by the last word of their topic.
    """

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.published: Counter[str] = Counter()
        self.gone_until_s = 0.0
        self.blocked_until_s = 0.0
        self.clients: set[Client] = set()

    def client(self, will: Any, answer_s: float) -> Client:
        """Return a client that is not connected."""
        return Client(self, will, answer_s)

    def go(self, seconds: float) -> None:
        """Be killed, and come back with nothing retained after `seconds`."""
        self.gone_until_s = asyncio.get_running_loop().time() + seconds
        self.retained.clear()
        for client in list(self.clients):
            client.lose()

    def block(self, seconds: float) -> None:
        """Answer nothing for `seconds`."""
        self.blocked_until_s = asyncio.get_running_loop().time() + seconds

    def take(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Take a message."""
        self.published[topic.rpartition("/")[2]] += 1
        if retain:
            self.retained[topic] = payload
        for client in self.clients:
            if topic in client.topics:
                client.incoming.put_nowait(SimpleNamespace(topic=topic, payload=payload))


class Client:
    """Stands where aiomqtt's client stands."""

    def __init__(self, broker: Broker, will: Any, answer_s: float) -> None:
        self.topics: set[str] = set()
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._broker = broker
        self._will = will
        self._answer_s = answer_s
        self._connected = False

    async def __aenter__(self) -> Self:
        await self._answer()
        self._connected = True
        self._broker.clients.add(self)
        process = current()
        assert isinstance(process, Process)
        process.at_death.append(self._died)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._connected = False
        self._broker.clients.discard(self)

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish; the broker confirms."""
        del qos
        await self._answer()
        self._check()
        self._broker.take(topic, payload, retain=retain)

    async def subscribe(self, topic: str, *, qos: int) -> None:
        """Subscribe."""
        del qos
        await self._answer()
        self._check()
        self.topics.add(topic)

    @property
    async def messages(self) -> AsyncIterator[Any]:
        """Yield what comes. Raises MqttError when the connection is lost."""
        while True:
            message = await self.incoming.get()
            if message is None:
                raise MqttError("disconnected during message iteration")
            yield message

    def lose(self) -> None:
        """Lose the connection."""
        self._connected = False
        self._broker.clients.discard(self)
        self.incoming.put_nowait(None)

    def _died(self) -> None:
        """Have the broker publish the last will: the process is gone."""
        if self._connected:
            self._connected = False
            self._broker.clients.discard(self)
            self._broker.take(self._will.topic, self._will.payload, retain=self._will.retain)

    def _check(self) -> None:
        if not self._connected:
            raise MqttError("not connected")

    async def _answer(self) -> None:
        """Wait as long as the broker takes. Raises MqttError where it is not there, or does not answer."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._broker.gone_until_s:
            raise MqttError("[Errno 111] Connection refused")
        blocked_s = self._broker.blocked_until_s - now_s
        if blocked_s > self._answer_s:
            await asyncio.sleep(self._answer_s)
            raise MqttError("Operation timed out")
        await asyncio.sleep(max(blocked_s, ANSWER_S))
