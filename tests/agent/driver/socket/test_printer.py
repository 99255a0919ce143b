"""The socket driver with real connections: machines that print, break the rules, vanish, come back, do not read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.capture import SimulatedCamera
from agent.configuration import AgentConfiguration, Printer, Socket
from agent.driver.socket import SocketPrinter
from agent.journal import Journal
from agent.observers import Observers
from agent.plant import Plant
from agent.printing import Printing
from agent.status import State, Status
from cosmic.errors import DriverError
from fallback import make_ladder
from thermal.part import Part

CELLS = 36


class Machine:
    """A machine's driver, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def tell(self, event: str, **fields: Any) -> None:
        self.writer.write(json.dumps({"event": event, **fields}).encode() + b"\n")

    async def hear(self, command: str) -> Any:
        """Return the next line of that kind."""
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 5.0)
            assert line, f"the connection was closed, {command} was waited for"
            found = json.loads(line)
            if found["command"] == command:
                return found

    async def scan(self, layer: int, window: int, told: Any = None) -> Any:
        told = told or await self.hear("scan")
        place = {"layer": layer, "window": window, "cell": told["cell"]}
        self.tell("cell_started", **place)
        self.tell("cell_finished", **place)
        return told


async def connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as soon as somebody listens."""
    async with asyncio.timeout(5.0):
        while True:
            try:
                return await asyncio.open_unix_connection(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.001)


class Agent:
    """The real printing behind a socket, without a coordinator."""

    def __init__(self, part: Part, path: Path, *, dispatch: str = "cell", **socket: Any) -> None:
        self.part, self.path = part, path
        self.machines: list[Machine] = []
        printer = Printer(
            driver="socket",
            dispatch=dispatch,  # type: ignore[arg-type]
            guard_ms=39.0,  # of windows of 40 ms: nobody decides, so nobody need be waited for
            socket=Socket(path=str(path), **socket),
        )
        settings = AgentConfiguration(printer=printer)
        self.driver = SocketPrinter(part, printer.socket, dispatch=dispatch)
        self.status = Status("job")
        camera = SimulatedCamera(Plant(part, 0.9), noise_K=1.0, seed=0)
        observers = Observers(Journal("job", 0.005), self.status)
        ladder = make_ladder(["sequential"])
        self.printing = Printing(settings, part, self.driver, camera, ladder, observers)

    async def machine(self, **hello: Any) -> Machine:
        machine = Machine(*await connected(self.path))
        self.machines.append(machine)
        machine.tell("hello", **{"version": 1, "machine": "test", "layers": 2, **hello})
        return machine

    async def state(self, state: State) -> None:
        async with asyncio.timeout(5.0):
            while self.status.state is not state:
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def printing(agent: Agent) -> AsyncIterator[list[Any]]:
    """Print while inside; the log's lines."""
    with capture_logs() as lines:
        task = asyncio.create_task(agent.printing.run())
        try:
            yield lines  # type: ignore[misc]
            await asyncio.wait_for(task, 10.0)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for machine in agent.machines:
                machine.writer.close()
                with contextlib.suppress(OSError):
                    await machine.writer.wait_closed()


def orders(lines: list[Any]) -> list[list[int]]:
    return [line["order"] for line in lines if line["event"] == "layer"]


async def print_layers(machine: Machine, layers: int = 2) -> None:
    for layer in range(layers):
        machine.tell("spreading", layer=layer, seconds=0.0)
        machine.tell("layer_ready", layer=layer)
        for window in range(CELLS):
            told = await machine.scan(layer, window)
            assert (told["layer"], told["window"], told["last"]) == (layer, window, window == CELLS - 1)
        machine.tell("layer_done", layer=layer, starved_s=0.25)
    machine.tell("job_done", reason="all layers printed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "printer.sock"


async def test_a_machine_prints_a_part_cell_by_cell(square: Part, path: Path) -> None:
    agent = Agent(square, path, mode="0640")
    async with printing(agent) as lines:
        machine = await agent.machine(part=square.digest)
        welcome = await machine.hear("welcome")
        assert welcome == {
            "command": "welcome",
            "version": 1,
            "part": square.digest,
            "layers": 3,
            "dispatch": "cell",
        }
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        machine.tell("job", layers=2)
        await print_layers(machine)
    assert orders(lines) == [list(range(CELLS))] * 2
    assert [line["starved_ms"] for line in lines if line["event"] == "layer"] == [250.0, 250.0]
    assert (lines[-1]["event"], lines[-1]["windows"]) == ("job", 2 * CELLS)
    assert agent.status.job is not None
    assert agent.status.job.layers == 2
    assert not path.exists(), "nothing is left behind"


async def test_a_machine_takes_the_whole_order_at_once(square: Part, path: Path) -> None:
    agent = Agent(square, path, dispatch="layer")
    async with printing(agent) as lines:
        machine = await agent.machine(layers=1)
        machine.tell("layer_ready", layer=0, windows_s=[0.5] * CELLS)
        told = await machine.hear("sequence")
        assert (told["layer"], told["window"], sorted(told["cells"])) == (0, 0, list(range(CELLS)))
        assert list(agent.driver.windows_s(0)) == [0.5] * CELLS
        for window, cell in enumerate(told["cells"]):
            await machine.scan(0, window, {"cell": cell})
        machine.tell("layer_done", layer=0)
        machine.tell("job_done", reason="done")
    assert orders(lines) == [told["cells"]]


async def test_a_machine_that_vanishes_in_a_layer_comes_back_and_goes_on(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent) as lines:
        machine = await agent.machine()
        machine.tell("job", layers=1)
        machine.tell("layer_ready", layer=0)
        for window in range(5):
            await machine.scan(0, window)
        lost = await machine.hear("scan")
        machine.writer.close()
        await agent.state(State.FAULT)
        assert "has gone" in agent.status.fault
        # Meanwhile it scanned the cell that it was handed, and nobody heard of it.
        machine = await agent.machine()
        await machine.hear("report")
        machine.tell("position", layer=0, ready=True, scanned=[*range(5), lost["cell"]], scanning=False)
        await agent.state(State.PRINTING)
        for window in range(6, CELLS):
            told = await machine.scan(0, window)
            while told["window"] != window:  # pragma: no cover
                told = await machine.hear("scan")
        machine.tell("layer_done", layer=0)
        machine.tell("job_done", reason="done")
    assert orders(lines) == [list(range(CELLS))]
    assert len([line for line in lines if line["event"] == "window"]) == CELLS


async def test_a_machine_that_forgot_its_cell_is_handed_it_again(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent) as lines:
        machine = await agent.machine()
        machine.tell("layer_ready", layer=0)
        first = await machine.hear("scan")
        machine.writer.close()
        machine = await agent.machine()
        await machine.hear("report")
        machine.tell("position", layer=0, ready=True, scanned=[], scanning=False)
        again = await machine.hear("scan")
        assert again == first
        for window in range(CELLS):
            await machine.scan(0, window, again if window == 0 else None)
        machine.tell("job_done", reason="done")
    assert orders(lines) == [list(range(CELLS))]


async def test_an_agent_that_starts_in_the_middle_of_a_layer_takes_it_up(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent) as lines:
        machine = await agent.machine()
        await machine.hear("report")
        machine.tell("position", layer=1, ready=True, scanned=[7, 3], scanning=False)
        for window in range(2, CELLS):
            await machine.scan(1, window)
        machine.tell("layer_done", layer=1)
        machine.tell("job_done", reason="done")
    (order,) = orders(lines)
    assert order[:2] == [7, 3]
    assert sorted(order) == list(range(CELLS))
    assert agent.status.job is not None
    assert agent.status.job.layers == 2, "as the machine said hello"


async def test_cells_told_before_the_position_do_not_break_a_new_agent(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent) as lines:
        machine = await agent.machine()
        machine.tell("cell_finished", layer=1, window=1, cell=3)  # of what an agent before had handed over
        machine.tell("cell_started", layer=1, window=2, cell=9)
        await machine.hear("report")
        machine.tell("position", layer=1, ready=True, scanned=[7, 3, 9], scanning=True)
        machine.tell("cell_finished", layer=1, window=2, cell=9)
        for window in range(3, CELLS):
            await machine.scan(1, window)
        machine.tell("layer_done", layer=1)
        machine.tell("job_done", reason="done")
    (order,) = orders(lines)
    assert order[:3] == [7, 3, 9]
    assert not [line for line in lines if line["event"] == "driver_error"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"scan me\n", "bad_line"),
        (b'{"event":"reboot"}\n', "bad_line"),
        (b"x" * 5000, "bad_line"),
        (b'{"event":"hello","version":1,"machine":"x","layers":1}\n', "breach"),
        (b'{"event":"spreading","layer":3,"seconds":1}\n', "breach"),
        (b'{"event":"layer_ready","layer":1,"windows_s":[1.0]}\n', "breach"),
        (b'{"event":"cell_started","layer":0,"window":0,"cell":99}\n', "breach"),
        (b'{"event":"cell_started","layer":0,"window":7,"cell":1}\n', "breach"),
        (b'{"event":"cell_started","layer":2,"window":0,"cell":1}\n', "breach"),
        (b'{"event":"cell_started","layer":0,"window":0,"cell":1,"at_s":1e999}\n', "bad_line"),
    ],
)
async def test_a_breach_is_named_to_the_machine_and_the_log_and_mended_by_connecting_again(
    square: Part, path: Path, line: bytes, code: str
) -> None:
    agent = Agent(square, path, line_bytes_max=4096)
    async with printing(agent) as lines:
        machine = await agent.machine()
        machine.tell("job", layers=1)
        machine.tell("layer_ready", layer=0)
        await machine.hear("scan")
        machine.writer.write(line)
        said = await machine.hear("error")
        assert said["code"] == code
        assert said["text"]
        await agent.state(State.FAULT)
        assert await machine.reader.read() == b"", "the connection is closed"
        machine = await agent.machine()
        await machine.hear("report")
        await agent.state(State.PRINTING)
        machine.tell("position", layer=0, ready=True, scanned=[], scanning=False)
        for window in range(CELLS):
            await machine.scan(0, window)
        machine.tell("layer_done", layer=0)
        machine.tell("job_done", reason="done")
    assert orders(lines) == [list(range(CELLS))]
    assert [line for line in lines if line["event"] == "driver_error"]


@pytest.mark.parametrize(
    ("hello", "code"),
    [({"version": 2}, "unknown_version"), ({"part": "f" * 64}, "wrong_part"), ({"layers": 4}, "wrong_part")],
)
async def test_a_machine_that_does_not_fit_is_refused_with_the_reason(
    square: Part, path: Path, hello: dict[str, Any], code: str
) -> None:
    agent = Agent(square, path)
    async with printing(agent):
        refused = await agent.machine(**hello)
        assert (await refused.hear("error"))["code"] == code
        await agent.state(State.FAULT)
        machine = await agent.machine()
        await machine.hear("welcome")
        machine.tell("job_done", reason="done")


async def test_a_second_machine_is_refused_and_the_first_goes_on(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent):
        first = await agent.machine()
        await first.hear("welcome")
        second = await agent.machine()
        assert (await second.hear("error"))["code"] == "busy"
        assert agent.status.fault == ""
        first.tell("job", layers=1)
        first.tell("job_done", reason="done")


async def test_who_says_no_hello_is_sent_away(square: Part, path: Path) -> None:
    agent = Agent(square, path, hello_s=0.05)
    async with printing(agent):
        silent = Machine(*await connected(path))
        agent.machines.append(silent)
        assert (await silent.hear("error"))["code"] == "no_hello"
        rude = Machine(*await connected(path))
        agent.machines.append(rude)
        rude.tell("job", layers=1)
        assert (await rude.hear("error"))["code"] == "no_hello"
        (await agent.machine()).tell("job_done", reason="done")


async def test_a_machine_that_does_not_read_is_disconnected_and_holds_nothing_up(square: Part, path: Path) -> None:
    agent = Agent(square, path, waiting_bytes_max=4096)
    async with printing(agent) as lines:
        machine = await agent.machine()
        await machine.hear("welcome")
        machine.tell("job", layers=1)
        await agent.state(State.WARMING)
        for _ in range(100_000):  # the kernel's buffer takes some, then ours does
            agent.driver.report()
            if agent.status.state is State.FAULT:
                break
        assert "does not read" in agent.status.fault
        (await agent.machine()).tell("job_done", reason="done")
    assert lines[-1]["event"] == "job"


async def test_stopping_asks_the_machine_and_without_one_ends_at_once(square: Part, path: Path) -> None:
    agent = Agent(square, path)
    async with printing(agent) as lines:
        machine = await agent.machine()
        machine.tell("job", layers=2)
        machine.tell("layer_ready", layer=0)
        await machine.scan(0, 0)
        agent.printing.stop("SIGTERM")
        assert (await machine.hear("abort"))["reason"] == "stopped by SIGTERM"
        machine.writer.close()
    assert (lines[-1]["event"], lines[-1]["reason"]) == ("job", "stopped by SIGTERM")
    agent = Agent(square, path)
    async with printing(agent):
        while not path.exists():
            await asyncio.sleep(0.001)
        agent.printing.stop("SIGTERM")


async def test_the_socket_of_a_dead_agent_is_taken_over_and_nothing_else_is(square: Part, path: Path) -> None:
    dead = await asyncio.start_unix_server(lambda _reader, _writer: None, str(path))
    async with printing_fails(Agent(square, path), "another agent listens"):
        pass
    dead.close()
    await dead.wait_closed()
    agent = Agent(square, path)
    async with printing(agent):
        (await agent.machine()).tell("job_done", reason="done")
    path.write_text("precious")
    async with printing_fails(Agent(square, path), "it exists and is no socket"):
        pass
    assert path.read_text() == "precious"
    async with printing_fails(Agent(square, path.parent / "absent" / "printer.sock"), "No such file"):
        pass


@contextlib.asynccontextmanager
async def printing_fails(agent: Agent, match: str) -> AsyncIterator[None]:
    with pytest.raises(DriverError, match=match):
        await asyncio.wait_for(agent.printing.run(), 5.0)
    yield
