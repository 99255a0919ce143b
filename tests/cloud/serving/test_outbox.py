"""What leaves for a printer, and in which order, when its socket takes nothing for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from cloud.serving.outbox import MESSAGES_MAX, Outbox
from protocol.codec import decode_coordinator_message, encode
from protocol.messages import (
    Array,
    CoordinatorMessage,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    JobReady,
    OpenJob,
    Progress,
    StartLayer,
)
from protocol.sessions import CoordinatorSession

CELLS = 2000


class Line:
    """The one method of a connection that is needed: it sends when it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.sent: list[CoordinatorMessage] = []

    async def send(self, frame: bytes) -> None:
        await self.open.wait()
        self.sent.append(decode_coordinator_message(frame, 2**20))


class Rig:
    """An outbox whose session is in layer 0."""

    def __init__(self) -> None:
        self.line = Line()
        self.session = CoordinatorSession()
        self.outbox = Outbox(cast("ServerConnection", self.line), self.session)

    def told(self, message: Any) -> None:
        self.session.receive(encode(message))

    async def drained(self) -> list[CoordinatorMessage]:
        self.line.open.set()
        await self.outbox._empty.wait()
        return self.line.sent


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    rig.told(OpenJob(job="j", part="0" * 64, printer="p"))
    rig.session.layer_size = lambda _: (3, CELLS)
    rig.outbox.post(JobReady(job="j", cells=CELLS, elements=3, engine="inline"))
    rig.told(StartLayer(layer=0, epoch=0, map=Array.of(np.full(3, 300.0, dtype=np.float32))))
    sender = asyncio.create_task(rig.outbox.run())
    await asyncio.sleep(0)
    yield rig
    sender.cancel()


async def test_decisions_are_joined_only_while_the_socket_is_backed_up(rig: Rig) -> None:
    for window in range(5):
        rig.outbox.decide(0, 0, window, 10 + window, 1.0, 0.5 if window else None)
    _, joined = await rig.drained()
    assert isinstance(joined, Decisions)
    assert (joined.first_window, joined.cells) == (0, [10, 11, 12, 13, 14])
    assert joined.uniformity == [None, 0.5, 0.5, 0.5, 0.5]
    for window in range(5, 7):
        rig.outbox.decide(0, 0, window, 10 + window, 1.0, None)
        await rig.drained()
    assert [message.first_window for message in rig.line.sent[2:] if isinstance(message, Decisions)] == [5, 6]


async def test_joined_messages_stay_small(rig: Rig) -> None:
    for window in range(CELLS):
        rig.outbox.decide(0, 0, window, window, 1.0, 0.25)
    sent = [message for message in await rig.drained() if isinstance(message, Decisions)]
    assert [len(message.cells) for message in sent] == [1000, 1000]
    assert max(len(encode(message)) for message in sent) < 32_768


async def test_decisions_of_an_old_epoch_or_an_ended_layer_never_leave(rig: Rig) -> None:
    rig.outbox.decide(0, 0, 0, 10, 1.0, None)
    rig.told(Deviated(layer=0, epoch=1, printed=[3]))
    rig.outbox.decide(0, 1, 1, 11, 1.0, None)
    await asyncio.sleep(0)
    sent = await rig.drained()
    assert [message.cells for message in sent if isinstance(message, Decisions)] == [[11]]
    rig.line.open.clear()
    rig.outbox.decide(0, 1, 2, 12, 1.0, None)
    rig.outbox.decide(0, 1, 3, 13, 1.0, None)
    rig.told(EndLayer(layer=0, windows=3, fallbacks=1))
    sent = await rig.drained()
    assert [message.cells for message in sent if isinstance(message, Decisions)] == [[11]]


async def test_decisions_made_before_a_failure_leave_before_it(rig: Rig) -> None:
    rig.outbox.decide(0, 0, 0, 10, 1.0, None)
    rig.outbox.post(Failed(code="engine_failed", message="", layer=0))
    sent = await rig.drained()
    assert [type(message) for message in sent] == [JobReady, Decisions, Failed]


async def test_room_is_given_only_while_few_messages_wait(rig: Rig) -> None:
    await rig.outbox.room()
    for _ in range(MESSAGES_MAX):
        rig.outbox.post(Failed(code="busy", message=""))
    waiting = asyncio.create_task(rig.outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await rig.drained()
    await waiting


async def test_progress_is_left_out_rather_than_queued_without_end() -> None:
    rig = Rig()
    rig.told(OpenJob(job="j", part="0" * 64, printer="p"))
    for done in range(10 * MESSAGES_MAX):
        rig.outbox.post(Progress(job="j", done=done, total=1, what="blocks"))
    assert len(rig.outbox._waiting) == MESSAGES_MAX
