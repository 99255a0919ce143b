"""The coordinator's pages beside a real coordinator: printers, decisions, pictures, metrics."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("aiohttp", reason='aiohttp is not installed: pip install "cosmic-lpbf[http]"')

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from cloud.configuration import CoordinatorSettings, Http, Parts, Tokens
from cloud.http.metrics import METRICS
from cloud.http.page import Page
from cloud.http.state import CoordinatorState, PrinterDetail
from cloud.serving.server import Coordinator
from protocol.messages import CloseJob, EndLayer, OpenJob, Printed, Spreading, Warm
from tests.cloud.printer import Printer, Running
from thermal.part import Part

WAIT_S = 30.0


@asynccontextmanager
async def page(running: Running, parts: Path, **http: Any) -> AsyncIterator[str]:
    """Serve the pages of a running coordinator; yield their address."""
    settings = CoordinatorSettings(parts=Parts(directory=str(parts)), http=Http(port=0, **http))
    async with Page(settings, running.coordinator) as served:
        yield served.server.url


async def get(session: aiohttp.ClientSession, url: str, kind: Any = dict[str, Any]) -> Any:
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return msgspec.json.decode(await answer.read(), type=kind)


async def test_a_printer_is_shown_from_its_connection_to_its_bill(
    coordinator: Running, parts_directory: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with aiohttp.ClientSession() as session, page(coordinator, parts_directory) as url:
        empty = await get(session, f"{url}api/state", CoordinatorState)
        assert (empty.printers, empty.connections, empty.ready) == ([], 0, "")
        async with coordinator.connect() as socket:
            printer = Printer(socket)
            await printer.open(part)
            await printer.tell(Spreading(layer=0, seconds=1.0))
            await printer.hear_a(Warm)
            (ready,) = (await get(session, f"{url}api/state", CoordinatorState)).printers
            assert (ready.printer, ready.state, ready.job, ready.engine) == ("press-1", "ready", "job", "inline")
            await printer.start_layer(0, map_K)
            order = await printer.decided([], 36)
            for window in range(3):
                source = "coordinator" if window else "fallback"
                await printer.tell(
                    Printed(layer=0, epoch=0, window=window, cell=order[window], source=source)  # type: ignore[arg-type]
                )
            async with asyncio.timeout(WAIT_S):
                while True:
                    detail = await get(session, f"{url}api/printers/press-1", PrinterDetail)
                    if detail.printer.printed == 3:
                        break
                    await asyncio.sleep(0.03)
            assert (detail.printer.state, detail.printer.layer, detail.printer.cells) == ("deciding", 0, 36)
            assert (detail.printer.decided, detail.printer.ahead) == (36, 32)
            assert (detail.printer.windows, detail.printer.fallbacks) == (3, 1)
            assert detail.order == order
            drawn = await get(session, f"{url}api/printers/press-1/geometry")
            image = await get(session, f"{url}api/printers/press-1/map")
            assert drawn["cells"] == 36
            kelvin = np.frombuffer(base64.b64decode(image["counts"]), "<u2") * image["step_K"]
            assert np.abs(kelvin - map_K).max() <= 0.051
            await printer.tell(EndLayer(layer=0, windows=36, fallbacks=1))
            await printer.tell(CloseJob(job="job", reason="printed"))
            await socket.wait_closed()
        async with asyncio.timeout(WAIT_S):
            while (await get(session, f"{url}api/state", CoordinatorState)).connections:
                await asyncio.sleep(0.03)
        gone = await get(session, f"{url}api/printers/press-1", PrinterDetail)
        assert (gone.printer.state, gone.printer.connected, gone.map_version) == ("away", False, 0)
        ((layer, outcome, _, decided, fallbacks, *_rest),) = [msgspec.to_builtins(row) for row in gone.layers]
        assert (layer, outcome, decided, fallbacks) == (0, "ended", 36, 1)


async def test_updates_of_all_and_of_one_printer_come_by_themselves(
    coordinator: Running, parts_directory: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with aiohttp.ClientSession() as session, page(coordinator, parts_directory) as url:
        async with session.get(f"{url}api/printers/press-1/events") as answer:
            assert answer.status == 404, "not known before it connects"
        async with coordinator.connect() as socket:
            printer = Printer(socket)
            await printer.open(part)
            async with (
                session.get(f"{url}api/events") as everything,
                session.get(f"{url}api/printers/press-1/events") as one,
            ):
                await printer.start_layer(0, map_K)
                await printer.decided([], 36)
                async with asyncio.timeout(WAIT_S):
                    for answer, word in ((everything, b'"decided":36'), (one, b'"decided":36')):
                        heard = b""
                        while word not in heard:
                            heard = heard[-10_000:] + await answer.content.readany()


async def test_metrics_are_those_declared_and_count_what_happened(
    coordinator: Running, parts_directory: Path, part: Part, map_K: NDArray[np.float32]
) -> None:
    async with aiohttp.ClientSession() as session, page(coordinator, parts_directory) as url:
        async with coordinator.connect() as socket:
            printer = Printer(socket)
            await printer.open(part)
            await printer.start_layer(0, map_K)
            await printer.decided([], 36)
            async with session.get(f"{url}metrics") as answer:
                text = await answer.text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    declared = {metric.name.removesuffix("_total") for metric in METRICS}
    assert {name for name in families if name.startswith("cosmic_")} == declared

    def value(family: str, suffix: str = "", **labels: str) -> float:
        return next(
            one.value
            for one in families[family].samples
            if one.name.endswith(suffix) and one.labels.items() >= labels.items()
        )

    assert value("cosmic_coordinator_printers", state="deciding") == 1.0
    assert value("cosmic_coordinator_decision_seconds", "_count") == 36.0
    assert value("cosmic_coordinator_jobs_opened") == 1.0
    assert value("cosmic_coordinator_printer_decided_ahead_windows", printer="press-1") == 35.0


async def test_a_refused_job_is_an_alarm_with_its_cause(coordinator: Running, parts_directory: Path) -> None:
    async with aiohttp.ClientSession() as session, page(coordinator, parts_directory) as url:
        async with coordinator.connect() as socket:
            printer = Printer(socket)
            await printer.tell(OpenJob(job="job", part="0" * 64, printer="press-1"))
            await socket.wait_closed()
        state = await get(session, f"{url}api/state", CoordinatorState)
    (alarm,) = state.alarms
    assert alarm.kind == "refused"
    assert "unknown_part" in alarm.text


async def test_a_coordinator_without_printers_access_is_not_ready_and_says_the_remedy(
    parts_directory: Path, tmp_path: Path
) -> None:
    settings = CoordinatorSettings(
        parts=Parts(directory=str(parts_directory)),
        tokens=Tokens(file=str(tmp_path / "none.json")),
        http=Http(port=0),
    )
    listening = msgspec.structs.replace(settings, listen=msgspec.structs.replace(settings.listen, port=0))
    coordinator = Coordinator(listening)
    async with Page(listening, coordinator) as served, aiohttp.ClientSession() as session:
        async with session.get(f"{served.server.url}readyz") as answer:
            assert (answer.status, (await answer.json())["reason"]) == (503, "the coordinator does not listen")
        await coordinator.start()
        try:
            async with session.get(f"{served.server.url}readyz") as answer:
                assert answer.status == 503
                assert "cosmic-cloud token add" in (await answer.json())["reason"]
            async with session.get(f"{served.server.url}healthz") as answer:
                assert answer.status == 200
        finally:
            await coordinator.stop()


async def test_a_printers_page_is_served_for_any_name_and_nothing_else_is(
    coordinator: Running, parts_directory: Path
) -> None:
    async with aiohttp.ClientSession() as session, page(coordinator, parts_directory) as url:
        for path, status in {
            "": 200,
            "printers/press-1": 200,
            "static/base.css": 200,
            "static/printer.js": 200,
            "static/index.html": 404,
            "static/..%2fpage.py": 404,
            "api/printers/nobody": 404,
            "api/printers/nobody/map": 404,
            "v1/agent": 404,
        }.items():
            async with session.get(url + path) as answer:
                assert answer.status == status, path
