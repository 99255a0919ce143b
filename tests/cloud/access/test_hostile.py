"""Some hundred hostile connections beside printing jobs: every kind of benchmarks/hostile.py, in counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.hostile import KINDS, Attack
from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings, Listen, Parts, Tokens
from cloud.serving.server import Coordinator
from protocol.codec import encode
from protocol.limits import Limits
from protocol.messages import Array, Printed, StartLayer
from tests.cloud.printer import Printer, dial
from thermal.order import order_layer
from thermal.part import Part

JOBS = 5
ROUNDS = 10


async def print_layer(
    coordinator: Coordinator, name: str, token: str, part: Part, map_K: NDArray[np.float32]
) -> int:
    """Print layer 0 with two windows of look-ahead; return how many cells were as they should be."""
    expected = order_layer(part, 0, map_K).order
    async with dial(f"127.0.0.1:{coordinator.port}", token) as socket:
        printer = Printer(socket, name)
        await printer.open(part, job=name, lookahead=2)
        await printer.start_layer(0, map_K)
        order: list[int] = []
        for window in range(len(expected)):
            order = await printer.decided(order, window + 1)
            told = Printed(layer=0, epoch=0, window=window, cell=order[window], source="coordinator")
            await printer.tell(told)
    return sum(ours == theirs for ours, theirs in zip(order, expected, strict=True))


@pytest.mark.parametrize("rounds", [ROUNDS])
async def test_hostile_connections_are_cut_while_jobs_have_every_decision(
    parts_directory: Path, tmp_path: Path, part: Part, map_K: NDArray[np.float32], rounds: int
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    limits = Limits(
        handshake_s=0.3,
        open_job_s=0.3,
        ping_interval_s=0.2,
        ping_timeout_s=0.3,
        addresses_max=64,
        load_max=1000.0,  # who is admitted is no matter of this test, nor of how fast the machine is that runs it
    )
    settings = CoordinatorSettings(
        listen=Listen(port=0),
        parts=Parts(directory=str(parts_directory)),
        tokens=Tokens(file=str(tokens.path)),
        limits=limits,
    )
    names = [f"printer-{number}" for number in range(JOBS)]
    given = {name: tokens.add(name) for name in names}
    taken = {f"taken-{number}": tokens.add(f"taken-{number}") for number in range(3)}
    coordinator = Coordinator(settings)
    await coordinator.start()
    start = encode(StartLayer(layer=0, epoch=0, map=Array.of(map_K)))
    attack = Attack(coordinator.port, taken, part.digest, start, hold_s=1.5)

    async def print_layers() -> None:
        jobs = (print_layer(coordinator, name, given[name], part, map_K) for name in names)
        assert await asyncio.gather(*jobs) == [36] * JOBS

    await print_layers()  # they print before the attack begins: nobody who is late because of it is let in
    attacking = asyncio.create_task(attack.run(rounds * len(KINDS), at_once=50))
    try:
        while not attacking.done():
            await print_layers()
        await attacking
        assert attack.outcomes.total() == rounds * len(KINDS)
        assert all(
            f"{kind}: held to the end" not in attack.outcomes for kind in ("flood", "slowloris", "oversized")
        )
        while coordinator._sessions or len(coordinator._server.handler_tasks) > 0:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
        assert len(coordinator._strangers) <= limits.addresses_max
        assert all(known.opening == known.printers == 0 for known in coordinator._strangers._known.values())
        assert coordinator._pool.executor.turns.layers == 0
        assert coordinator.admission.jobs <= JOBS + len(taken) * limits.connections_per_printer_max
    finally:
        attacking.cancel()
        await coordinator.stop()
