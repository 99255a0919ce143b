"""Printers on real sockets: those that behave, and those that do not, side by side."""

from __future__ import annotations

import asyncio
import gc
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed

from cloud.configuration import EngineSettings
from cloud.engines import LayerWork
from cloud.engines.local.layer import LocalLayer
from cloud.engines.turns import Turns
from cloud.sharing.admission import Cost
from cosmic.errors import EngineError
from protocol.limits import Limits
from protocol.messages import (
    Array,
    CloseJob,
    Decisions,
    Deviated,
    EndLayer,
    Failed,
    OpenJob,
    Printed,
    Spreading,
    StartLayer,
    Warm,
)
from tests.cloud.conftest import a_map
from tests.cloud.printer import Printer, Running, start
from thermal.order import order_layer
from thermal.part import Part

OTHER_DIGEST = "0" * 64


async def end_of(printer: Printer) -> tuple[list[Failed], int | None]:
    """Return the failures told until the connection is closed, and the close code."""
    told = []
    try:
        while True:
            message = await printer.hear()
            if isinstance(message, Failed):
                told.append(message)
    except ConnectionClosed as closed:
        return told, closed.rcvd.code if closed.rcvd else None


async def test_layer_is_decided_as_in_one_process(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    reference = order_layer(part, 0, map_K)
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        ready = await printer.open(part)
        assert (ready.cells, ready.elements, ready.lookahead) == (36, 900, None)
        await printer.start_layer(0, map_K)
        cells: list[int] = []
        uniformity: list[float | None] = []
        while len(cells) < 36:
            message = await printer.hear_a(Decisions)
            assert (message.layer, message.epoch, message.first_window) == (0, 0, len(cells))
            cells += message.cells
            uniformity += message.uniformity or [None] * len(message.cells)
        assert cells == reference.order
        assert uniformity[:3] == [None] * 3  # urgent: sent before R at the window's end was known
        assert uniformity[3:] == pytest.approx(reference.uniformity[3:])


async def test_layers_of_different_outlines_follow_each_other(coordinator: Running, part: Part) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        for layer in range(3):
            await printer.tell(Spreading(layer=layer, seconds=0.1))
            assert (await printer.hear_a(Warm)).workers == 0
            first_map = a_map(part, layer, seed=layer)
            cells = len(part.geometry_of(layer).cells)
            await printer.start_layer(layer, first_map)
            assert await printer.decided([], cells) == order_layer(part, layer, first_map).order
            await printer.tell(EndLayer(layer=layer, windows=cells, fallbacks=0))


async def test_deviation_opens_an_epoch_and_the_order_goes_on_from_it(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part, lookahead=3)
        await printer.start_layer(0, map_K)
        order = await printer.decided([], 4)
        await printer.tell(Printed(layer=0, epoch=0, window=0, cell=order[0], source="coordinator"))
        other = next(cell for cell in range(36) if cell not in order)
        printed = [order[0], other]
        await printer.tell(Deviated(layer=0, epoch=1, printed=printed))
        expected = order_layer(part, 0, map_K, printed=printed).order
        assert await printer.decided(printed, 5, epoch=1) == expected[:5]
        order = expected[:5]
        for window in range(1, 36):
            source = "fallback" if window == 1 else "coordinator"
            await printer.tell(Printed(layer=0, epoch=1, window=window, cell=order[window], source=source))
            order = await printer.decided(order, min(window + 5, 36), epoch=1)
        assert order == expected


async def test_rejoin_with_printed_cells_goes_on_where_it_was(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    printed = [7, 30, 2, 11]
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part, lookahead=2)
        await printer.start_layer(0, map_K, epoch=3, printed=printed)
        expected = order_layer(part, 0, map_K, printed=printed).order
        assert await printer.decided(printed, 6, epoch=3) == expected[:6]


async def test_part_stays_loaded_for_a_printer_that_comes_back(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    for _ in range(2):
        async with coordinator.connect() as socket:
            await Printer(socket).open(part)
    assert coordinator.coordinator._pool.loaded == 1


async def test_job_closed_by_the_agent_ends_the_connection_normally(coordinator: Running, part: Part) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await printer.tell(CloseJob(job="job", reason="done"))
        assert await end_of(printer) == ([], 1000)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"part": OTHER_DIGEST}, "unknown_part"),
        ({"printer": "press-2"}, "unknown_job"),
        ({"rule": "greedy"}, "bad_message"),
    ],
)
async def test_job_that_cannot_be_opened_is_refused_with_its_code(
    coordinator: Running, part: Part, changes: dict[str, Any], code: str
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.tell(OpenJob(**{"job": "job", "part": part.digest, "printer": "press-1", **changes}))
        told, _ = await end_of(printer)
        assert [failed.code for failed in told] == [code]


async def test_part_that_is_added_later_is_found(
    coordinator: Running, part: Part, tmp_path: Path, parts_directory: Path
) -> None:
    empty = tmp_path / "parts"
    async with start(empty, tmp_path / "other") as running:
        async with running.connect() as socket:
            printer = Printer(socket)
            await printer.tell(OpenJob(job="job", part=part.digest, printer="press-1"))
            assert (await end_of(printer))[0][0].code == "unknown_part"
        empty.symlink_to(parts_directory)
        async with running.connect() as socket:
            assert (await Printer(socket).open(part)).cells == 36


async def test_open_job_that_comes_too_late_is_a_limit(parts_directory: Path, tmp_path: Path) -> None:
    limits = Limits(open_job_s=0.05)
    async with start(parts_directory, tmp_path, limits=limits) as running, running.connect() as socket:
        told, close_code = await end_of(Printer(socket))
        assert ([failed.code for failed in told], close_code) == (["limit"], 1008)


async def test_more_parts_than_may_be_loaded_are_busy(parts_directory: Path, tmp_path: Path, part: Part) -> None:
    async with (
        start(parts_directory, tmp_path, loaded_max=1) as running,
        running.connect() as one,
        running.connect("press-2") as other,
    ):
        await Printer(one).open(part)
        printer = Printer(other, "press-2")
        await printer.tell(OpenJob(job="job", part=OTHER_DIGEST, printer="press-2"))
        told, close_code = await end_of(printer)
        assert ([failed.code for failed in told], close_code) == (["busy"], 1013)


async def test_engine_that_cannot_be_loaded_is_said(parts_directory: Path, tmp_path: Path, part: Part) -> None:
    engine = EngineSettings(name="local", blocks_rows=3)
    async with start(parts_directory, tmp_path, engine=engine) as running, running.connect() as socket:
        printer = Printer(socket)
        await printer.tell(OpenJob(job="job", part=part.digest, printer="press-1"))
        told, close_code = await end_of(printer)
        assert ([failed.code for failed in told], close_code) == (["engine_failed"], 1011)
        assert "--operators dense --blocks 3x1" in told[0].message


# --- misbehaviour -----------------------------------------------------------------------------------------


def frame(**fields: Any) -> bytes:
    return msgspec.msgpack.encode(fields)


def a_start(map_bytes: bytes, elements: int, **changes: Any) -> bytes:
    array = {"dtype": "<f4", "shape": [elements], "data": map_bytes}
    return frame(**{"type": "start_layer", "layer": 0, "epoch": 0, "map": array, "printed": [], **changes})


WARM = np.full(900, 300.0, dtype="<f4").tobytes()

FATAL: dict[str, tuple[bytes | str, int]] = {
    "truncated": (a_start(WARM, 900)[:1000], 1007),
    "empty": (b"", 1007),
    "not msgpack": (b"\xc1" * 100, 1007),
    "deeply nested": (b"\x82\xa4type\xa9spreading\xa1x" + b"\x91" * 100_000, 1007),
    "text frame": ("hello", 1002),
    "unknown type": (frame(type="print_faster"), 1008),
    "no map": (b"\x93\x01\x02\x03", 1008),
    "negative layer": (a_start(WARM, 900, layer=-1), 1008),
    "huge layer": (a_start(WARM, 900, layer=2**62), 1008),
    "layer that the part has not": (a_start(WARM, 900, layer=3), 1008),
    "spreading of no layer": (frame(type="spreading", layer=99, seconds=1.0), 1008),
    "float64 map": (
        frame(type="start_layer", layer=0, epoch=0, map={"dtype": "<f8", "shape": [1], "data": b"8" * 8}),
        1008,
    ),
    "second job": (frame(type="open_job", job="j", part=OTHER_DIGEST, printer="press-1"), 1002),
    "coordinator's message": (frame(type="job_ready", job="j", cells=1, elements=1, engine="x"), 1008),
}

OF_A_LAYER: dict[str, tuple[bytes, str]] = {
    "map with NaN": (a_start(struct.pack("<f", float("nan")) + WARM[4:], 900), "bad_map"),
    "map below 0 K": (a_start(struct.pack("<f", -1.0) + WARM[4:], 900), "bad_map"),
    "map of wrong length": (a_start(WARM[:-4], 899), "bad_map"),
    "map shorter than its shape": (a_start(WARM[:-4], 900), "bad_map"),
    "huge shape": (a_start(b"", 2**40), "bad_map"),
    "cell outside": (a_start(WARM, 900, printed=[36]), "bad_cells"),
    "cell twice": (a_start(WARM, 900, printed=[1, 1]), "bad_cells"),
    "printed of no layer": (
        frame(type="printed", layer=1, epoch=0, window=0, cell=0, source="fallback"),
        "unknown_layer",
    ),
}


@pytest.mark.parametrize("what", FATAL)
async def test_message_that_must_not_come_closes_only_its_own_connection(
    coordinator: Running, part: Part, map_K: NDArray[np.float32], what: str
) -> None:
    message, expected = FATAL[what]
    async with coordinator.connect() as bad, coordinator.connect("press-2") as good:
        well_behaved, printer = Printer(good, "press-2"), Printer(bad)
        await well_behaved.open(part)
        await printer.open(part)
        await well_behaved.start_layer(0, map_K)
        await bad.send(message)
        told, close_code = await end_of(printer)
        assert ([failed.code for failed in told], close_code) == (["bad_message"], expected)
        assert await well_behaved.decided([], 36) == order_layer(part, 0, map_K).order


@pytest.mark.parametrize("what", OF_A_LAYER)
async def test_layer_that_cannot_be_followed_is_refused_and_the_connection_lives_on(
    coordinator: Running, part: Part, map_K: NDArray[np.float32], what: str
) -> None:
    message, code = OF_A_LAYER[what]
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await socket.send(message)
        failed = await printer.hear_a(Failed)
        assert (failed.code, failed.layer) == (code, 1 if code == "unknown_layer" else 0)
        await printer.start_layer(0, map_K)
        assert await printer.decided([], 36) == order_layer(part, 0, map_K).order


async def test_oversized_message_is_closed_with_1009(parts_directory: Path, tmp_path: Path, part: Part) -> None:
    limits = Limits(message_bytes_max=10_000)
    async with start(parts_directory, tmp_path, limits=limits) as running, running.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await socket.send(b"x" * 20_000)
        assert (await end_of(printer))[1] == 1009


async def test_cell_printed_otherwise_than_decided_is_followed(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await printer.start_layer(0, map_K)
        order = await printer.decided([], 36)
        await printer.tell(Printed(layer=0, epoch=0, window=0, cell=order[1], source="coordinator"))
        expected = order_layer(part, 0, map_K, printed=[order[1]]).order
        assert await printer.decided([order[1]], 36) == expected


async def test_peer_that_mixes_layers_up_has_both_refused(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part, lookahead=1)
        await printer.start_layer(0, map_K)
        await socket.send(frame(type="printed", layer=1, epoch=0, window=0, cell=0, source="fallback"))
        refused = [await printer.hear_a(Failed), await printer.hear_a(Failed)]
        assert [(failed.code, failed.layer) for failed in refused] == [("unknown_layer", 0), ("unknown_layer", 1)]
        await printer.start_layer(0, map_K, epoch=1)
        assert await printer.decided([], 2, epoch=1) == order_layer(part, 0, map_K).order[:2]


async def test_flood_of_refused_messages_does_not_grow_what_waits(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        for _ in range(300):
            await socket.send(OF_A_LAYER["map of wrong length"][0])
        refusals = 0
        while refusals < 300:
            assert (await printer.hear_a(Failed)).code == "bad_map"
            refusals += 1
        (session,) = coordinator.coordinator._sessions
        assert not session._outbox._waiting


async def test_connection_cut_in_a_layer_leaves_nothing_behind(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part, lookahead=1)
        await printer.start_layer(0, map_K)
        await printer.decided([], 2)
        socket.transport.abort()
        while coordinator.coordinator._sessions:
            await asyncio.sleep(0)
    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert not any(name.startswith(("LayerLoop", "PrinterSession", "Outbox")) for name in running)


async def test_a_layer_that_is_started_again_before_it_ran_leaves_no_word(
    coordinator: Running, part: Part, map_K: NDArray[np.float32], recwarn: pytest.WarningsRecorder
) -> None:
    """Messages that come together are followed together: the first layer's work is given up before it began."""
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        frames = [
            printer.session.send(StartLayer(layer=0, epoch=epoch, map=Array.of(map_K), printed=[]))
            for epoch in range(3)
        ]
        for frame in frames:
            await socket.send(frame)
        assert await printer.decided([], 36, epoch=2) == order_layer(part, 0, map_K).order
    gc.collect()
    assert [str(one.message) for one in recwarn if "never awaited" in str(one.message)] == []


# --- engines in trouble -----------------------------------------------------------------------------------


class Failing:
    """An engine of which some products fail, with an error or with a value that is none."""

    def __init__(self, engine: Any, fails: Callable[[int], bool], wrong: float | None = None) -> None:
        self._engine = engine
        self._fails = fails
        self._wrong = wrong
        self.asked = 0
        self.layers, self.turns, self.spent = 0, Turns(1), Cost()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def begin_layer(self, geometry: int, job: str = "") -> LayerWork:
        del job
        return LocalLayer(self, geometry)

    def suspects(self, geometry: int, cell: int) -> str:
        return f"worker of cell {cell} of geometry {geometry}"

    async def apply(self, geometry: int, cell: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        self.asked += 1
        fails = self._fails(self.asked)
        if fails and self._wrong is None:
            raise EngineError("no product", where="test")
        result: NDArray[np.float64] = await self._engine.apply(geometry, cell, theta)
        if fails:
            result[0] = self._wrong
        return result


async def put_in(
    coordinator: Running, part: Part, fails: Callable[[int], bool], wrong: float | None = None
) -> None:
    entry = coordinator.coordinator._pool._entries[part.digest]
    prepared = entry.loading.result()
    engine = prepared.engine
    prepared.engine = Failing(engine._engine if isinstance(engine, Failing) else engine, fails, wrong)


@pytest.mark.parametrize("wrong", [None, np.nan, np.inf])
async def test_product_that_fails_once_is_asked_for_again(
    coordinator: Running, part: Part, map_K: NDArray[np.float32], wrong: float | None
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await put_in(coordinator, part, lambda asked: asked % 3 == 0, wrong)
        await printer.start_layer(0, map_K)
        assert await printer.decided([], 36) == order_layer(part, 0, map_K).order


async def test_product_that_fails_twice_fails_the_layer_and_not_the_job(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await put_in(coordinator, part, lambda asked: asked in {6, 7})
        await printer.start_layer(0, map_K)
        order = await printer.decided([], 6)
        failed = await printer.hear_a(Failed)
        assert (failed.code, failed.layer) == ("engine_failed", 0)
        await printer.start_layer(0, map_K, epoch=1, printed=order)
        expected = order_layer(part, 0, map_K).order
        assert await printer.decided(order, 36, epoch=1) == expected


async def test_a_product_that_is_not_finite_twice_fails_the_layer_and_names_who_gave_it(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as socket:
        printer = Printer(socket)
        await printer.open(part)
        await put_in(coordinator, part, lambda asked: asked in {6, 7}, np.nan)
        await printer.start_layer(0, map_K)
        await printer.decided([], 6)
        failed = await printer.hear_a(Failed)
        assert (failed.code, failed.layer) == ("engine_failed", 0)
        assert "worker of cell" in failed.message
        assert "a product is not finite" in failed.message


async def test_bug_met_by_one_job_is_logged_and_ends_only_that_job(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with coordinator.connect() as bad, coordinator.connect("press-2") as good:
        printer, well_behaved = Printer(bad), Printer(good, "press-2")
        await printer.open(part)
        await well_behaved.open(part, lookahead=1)
        await well_behaved.start_layer(0, map_K)
        await well_behaved.decided([], 2)

        def broken(_asked: int) -> bool:
            raise ZeroDivisionError

        await put_in(coordinator, part, broken)
        with structlog.testing.capture_logs() as logs:
            await printer.start_layer(0, map_K)
            told, close_code = await end_of(printer)
        assert ([failed.code for failed in told], close_code) == (["engine_failed"], 1011)
        assert any(line["event"] == "internal_error" for line in logs)
        await put_in(coordinator, part, lambda _: False)
        await well_behaved.start_layer(0, map_K, epoch=1)
        assert await well_behaved.decided([], 2, epoch=1) == order_layer(part, 0, map_K).order[:2]


# --- the log ----------------------------------------------------------------------------------------------


async def test_canonical_line_of_a_layer_says_what_became_of_it_and_no_line_holds_a_token(
    coordinator: Running, part: Part, map_K: NDArray[np.float32]
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with coordinator.connect() as socket:
            printer = Printer(socket)
            await printer.open(part)
            await printer.start_layer(0, map_K)
            order = await printer.decided([], 36)
            other = next(cell for cell in range(36) if cell not in order[:3])
            printed = [*order[:2], other]
            await printer.tell(Deviated(layer=0, epoch=1, printed=printed))
            await printer.decided(printed, 36, epoch=1)
            await printer.tell(EndLayer(layer=0, windows=36, fallbacks=1))
            await printer.tell(CloseJob(job="job", reason="done"))
            await end_of(printer)
    (line,) = [line for line in logs if line["event"] == "layer"]
    assert (line["printer"], line["job"], line["layer"], line["outcome"]) == ("press-1", "job", 0, "ended")
    assert (line["windows"], line["windows_decided"], line["epochs"], line["fallbacks"]) == (36, 36 + 33, 2, 1)
    assert line["windows_caught_up"] == 1
    assert 0 < line["compute_ms_median"] <= line["compute_ms_max"]
    assert coordinator.tokens["press-1"] not in repr(logs)


def test_messages_in_this_file_are_what_they_should_be() -> None:
    good = msgspec.msgpack.decode(a_start(WARM, 900), type=StartLayer)
    assert good.map == Array.of(np.full(900, 300.0, dtype=np.float32))
