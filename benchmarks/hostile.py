"""1,000 hostile connections beside 5 printing jobs: what it costs the jobs, and how much memory.

A real coordinator process (engine inline); 5 light printers (16 cm2, windows of 40 ms, whole-layer look-ahead) in
this process; the hostile connections in another, from addresses of their own in 127.0.0.0/8. Half of the kinds hold
a token that is right: a printer that was taken over. The same jobs are measured without them first.

Coordinator and printers inherit the niceness of this command; the attackers, who would not be on this machine, have
five more and a session of their own, so that the scheduler does not count them with the coordinator.

    python benchmarks/hostile.py [--connections 1000] [--strangers] [--json]

--strangers: only the kinds that have no token.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloud.load.stage import MeasuredCoordinator, make_work
from cloud.load.trial import Printers, _trial
from cloud.load.wire import PING, TEXT, frame, request
from protocol.codec import encode
from protocol.messages import OpenJob, Printed

JOBS = 5
AT_ONCE = 200
HOLD_S = 12.0
"""Longest stay of one hostile connection, seconds: by then it should have been cut."""

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Attack:
    """What hostile peers know of their target.

    port: on 127.0.0.1.
    tokens: of printers that were taken over, by name.
    part: digest of a part that the coordinator has.
    start: an encoded `start_layer` of it.
    hold_s: longest stay of a connection, seconds.
    """

    def __init__(
        self, port: int, tokens: dict[str, str], part: str, start: bytes, *, hold_s: float = HOLD_S, seed: int = 0
    ) -> None:
        self.port, self.part, self.start, self.hold_s = port, part, start, hold_s
        self.outcomes: Counter[str] = Counter()
        self._tokens = tokens
        self._random = random.Random(seed)  # noqa: S311  noise, not secrets

    async def run(self, connections: int, at_once: int = AT_ONCE, kinds: int = 10) -> None:
        """Make so many connections, the first `kinds` kinds in turn."""
        room = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with room:
                kind = KINDS[number % kinds]
                outcome = "cut"
                try:
                    async with asyncio.timeout(self.hold_s):
                        await kind(self, number)
                except TimeoutError:
                    outcome = "held to the end"
                except (OSError, EOFError):
                    pass
                self.outcomes[f"{kind.__name__.removeprefix('_')}: {outcome}"] += 1

        await asyncio.gather(*(one(number) for number in range(connections)))

    async def connect(self, number: int, *, host: str | None = None, receive_bytes: int | None = None) -> Peer:
        """Open a connection from one of the attackers' addresses."""
        made = socket.socket()
        made.setblocking(False)
        if receive_bytes is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            made.bind((host or f"127.0.0.{10 + number % 20}", 0))
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
            return await asyncio.open_connection(sock=made, limit=4096)
        except BaseException:
            made.close()
            raise

    async def inside(self, number: int, **options: Any) -> tuple[Peer, str]:
        """Open a connection with a token that is right; return it and the printer's name."""
        name = self._random.choice(sorted(self._tokens))
        peer = await self.connect(number, **options)
        peer[1].write(request(self._tokens[name]))
        answer = await peer[0].readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            peer[1].close()
            raise EOFError
        return peer, name

    def bytes_of(self, count: int) -> bytes:
        """Return random bytes."""
        return self._random.randbytes(count)


async def _end(peer: Peer) -> None:
    """Read until the coordinator closes."""
    try:
        while await peer[0].read(4096):
            pass
    finally:
        peer[1].close()


async def _wrong_token(attack: Attack, number: int) -> None:
    peer = await attack.connect(number)
    peer[1].write(request(f"cosmic_{number}"))
    await _end(peer)


async def _slowloris(attack: Attack, number: int) -> None:
    reader, writer = await attack.connect(number)
    for byte in request("cosmic_" + "x" * 2000):
        writer.write(bytes([byte]))
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            if not await asyncio.wait_for(reader.read(1), 0.1):
                break
    writer.close()


async def _garbage(attack: Attack, number: int) -> None:
    peer = await attack.connect(number)
    peer[1].write(attack.bytes_of(2000) if number % 2 else b"\x16\x03\x01\x02\x00" + attack.bytes_of(500))
    await _end(peer)


async def _half_closed(attack: Attack, number: int) -> None:
    peer = await attack.connect(number)
    peer[1].write(b"GET /v1/agent HTTP/1.1\r\nHost: x\r\n")
    peer[1].write_eof()
    await _end(peer)


async def _flood(attack: Attack, number: int) -> None:
    peer = await attack.connect(number, host="127.0.0.66")
    await _end(peer)


async def _oversized(attack: Attack, number: int) -> None:
    peer, _ = await attack.inside(number)
    peer[1].write(b"\x82\xff" + (2**40 if number % 2 else 32 * 2**20).to_bytes(8, "big") + b"\0\0\0\0")
    for _ in range(64):
        peer[1].write(b"\0" * 65536)
        await peer[1].drain()
    await _end(peer)


async def _text(attack: Attack, number: int) -> None:
    peer, _ = await attack.inside(number)
    peer[1].write(frame(b'{"type": "open_job"}', TEXT))
    await _end(peer)


async def _garbage_frames(attack: Attack, number: int) -> None:
    peer, _ = await attack.inside(number)
    peer[1].write(frame(attack.bytes_of(1000)) if number % 2 else attack.bytes_of(5000))
    await _end(peer)


async def _replayed(attack: Attack, number: int) -> None:
    """What a job once sent, again and again, as fast as it goes."""
    peer, name = await attack.inside(number)
    job = OpenJob(job=f"replayed-{number}", part=attack.part, printer=name)
    peer[1].write(frame(encode(job)))
    await peer[0].read(4096)
    told = frame(encode(Printed(layer=0, epoch=0, window=0, cell=0, source="fallback")))
    draining = asyncio.create_task(_end(peer))
    try:
        while not draining.done():
            peer[1].write(frame(attack.start) + told * 20)
            await peer[1].drain()
    finally:
        draining.cancel()
        peer[1].close()


async def _slow_reader(attack: Attack, number: int) -> None:
    """Has layers decided and pings answered, and reads nothing."""
    (reader, writer), name = await attack.inside(number, receive_bytes=2048)
    job = OpenJob(job=f"slow-{number}", part=attack.part, printer=name)
    writer.write(frame(encode(job)))
    await reader.read(4096)
    transport = writer.transport
    assert isinstance(transport, asyncio.ReadTransport)
    transport.pause_reading()
    for _ in range(1000):
        writer.write(frame(attack.start) + frame(b"", PING) * 50)
        await writer.drain()
        await asyncio.sleep(0.1)


KINDS: list[Callable[[Attack, int], Awaitable[None]]] = [
    _wrong_token,
    _slowloris,
    _garbage,
    _half_closed,
    _flood,
    _oversized,
    _text,
    _garbage_frames,
    _replayed,
    _slow_reader,
]
"""Five kinds of strangers, five of printers that were taken over."""


async def measure(folder: Path, connections: int, kinds: int) -> dict[str, Any]:
    """Return what the jobs measure alone, and beside the hostile connections."""
    (folder / "parts").mkdir()
    work = make_work(folder / "parts", 16.0, "segmented-gear", None, 1.0)
    coordinator = MeasuredCoordinator(folder, "hostile", {})
    try:
        printers = Printers(coordinator, work, 0)
        for _ in range(JOBS):
            await printers.add()
        taken = {f"taken-{number}": coordinator.token(f"taken-{number}") for number in range(20)}
        await asyncio.sleep(printers.period_s)
        before = printers.tally.windows
        alone = _trial(coordinator, printers.tally, coordinator.used().cpu_s, 0.0, 0.0)
        printers.tally.fallbacks = printers.tally.windows = 0
        printers.tally.slack_s.clear()
        printers.tally.missed.clear()
        printers.tally.late_s = 0.0
        cpu_s, began_s = coordinator.used().cpu_s, asyncio.get_running_loop().time()
        (folder / "start").write_bytes(work.starts[0])
        words = json.dumps([coordinator.port, taken, work.part, str(folder / "start"), connections, kinds])
        attackers = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--attack", words, stdout=subprocess.PIPE, start_new_session=True
        )
        output, _ = await attackers.communicate()
        during = _trial(coordinator, printers.tally, cpu_s, 0.0, began_s)
        await asyncio.sleep(3.0)
        after = coordinator.used()
        await printers.stop()
        refused = Counter(line["event"] for line in coordinator.log())
    finally:
        coordinator.end()
    wanted = ("windows", "fallbacks", "lost", "slack_ms_p01", "slack_ms_min", "resident_mb", "load_average")
    return {
        "processors": len(os.sched_getaffinity(0)),
        "jobs": JOBS,
        "connections": connections,
        "seconds": during.seconds,
        "alone": {name: asdict(alone)[name] for name in wanted} | {"windows": before},
        "beside": {name: asdict(during)[name] for name in wanted} | {"coordinator_cpu": during.coordinator_cpu},
        "resident_mb_after": round(after.resident_mb, 1),
        "missed": [f"{name}, layer {layer}, window {window}" for name, layer, window in printers.tally.missed],
        "outcomes": json.loads(output),
        "log": dict(refused),
    }


def main() -> None:
    """Measure, or be the attackers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--strangers", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--attack")
    words = parser.parse_args()
    if words.attack is not None:
        os.nice(5)
        port, tokens, part, start, connections, kinds = json.loads(words.attack)
        attack = Attack(port, tokens, part, Path(start).read_bytes())
        asyncio.run(attack.run(connections, kinds=kinds))
        sys.stdout.write(json.dumps(dict(sorted(attack.outcomes.items()))))
        return
    with tempfile.TemporaryDirectory(prefix="cosmic-hostile-") as folder:
        document = asyncio.run(measure(Path(folder), words.connections, 5 if words.strangers else 10))
    if words.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    for when in ("alone", "beside"):
        one = document[when]
        sys.stdout.write(
            f"{when:7} {one['fallbacks']} fallbacks in {one['windows']} windows, {one['lost']} lost, slack 1 % "
            f"{one['slack_ms_p01']} ms, {one['resident_mb']} MB at most, load average {one['load_average']}\n"
        )
    sys.stdout.write(f"{document['resident_mb_after']} MB afterwards\n")
    for what, count in document["outcomes"].items():
        sys.stdout.write(f"  {count:5d} {what}\n")


if __name__ == "__main__":
    main()
