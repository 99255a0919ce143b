"""The page beside a real agent that prints: what is answered is what was logged, and no window pays for it."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason='aiohttp is not installed: pip install "cosmic-lpbf[http]"')

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from agent.configuration import AgentConfiguration, Http, Printer, Simulated
from agent.http.metrics import METRICS
from agent.http.state import AgentState
from agent.service import run_agent
from cosmic.errors import ConfigurationError
from thermal.part import Part

WAIT_S = 30.0
CELLS = 36


def settings(folder: Path, *, layers: int = 2, time_scale: float = 4.0, **http: Any) -> AgentConfiguration:
    simulated = Simulated(layers=layers, spreading_s=0.1, time_scale=time_scale)
    return AgentConfiguration(
        printer=Printer(name="press-1", part=str(folder), job="job-1", simulated=simulated),
        http=Http(**{"port": 0, **http}),
    )


def slow(folder: Path) -> AgentConfiguration:
    """Return the settings of a job that outlasts whoever looks at it, however busy the machine."""
    return settings(folder, layers=3, time_scale=0.5)


@asynccontextmanager
async def agent(
    configured: AgentConfiguration, *, whole: bool = True
) -> AsyncIterator[tuple[str, list[Any], asyncio.Task[Any]]]:
    """Run an agent; yield its address, its log and its task. `whole`: let it print to the end."""
    with capture_logs() as lines:
        task = asyncio.create_task(run_agent(configured))
        try:
            async with asyncio.timeout(WAIT_S):
                while not any(line["event"] == "http" for line in lines):
                    assert not task.done(), task.exception()
                    await asyncio.sleep(0.001)
            yield next(line["url"] for line in lines if line["event"] == "http"), lines, task
            async with asyncio.timeout(WAIT_S):
                if whole:
                    await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def updates(session: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    async with session.get(f"{url}api/events") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield msgspec.json.decode(line[6:])


async def test_the_updates_add_up_to_what_was_logged(square_folder: Path) -> None:
    rows: list[Any] = []
    async with aiohttp.ClientSession() as session, agent(settings(square_folder)) as (url, lines, _):
        async for update in updates(session, url):
            assert update["first_row"] <= len(rows)
            rows += update["rows"][len(rows) - update["first_row"] :]
            last = update["state"]
    windows = [line for line in lines if line["event"] == "window"]
    assert len(windows) == 2 * CELLS
    assert [row[:4] for row in rows] == [[w["layer"], w["window"], w["cell"], w["outcome"]] for w in windows]
    assert last["job"]["reason"], "the last update tells how the job ended"
    assert last["layer"]["printed"] == CELLS


async def test_a_page_that_is_opened_in_the_middle_gets_the_order_so_far(square_folder: Path) -> None:
    async with aiohttp.ClientSession() as session, agent(slow(square_folder), whole=False) as (url, lines, _):
        async with asyncio.timeout(WAIT_S):
            while not any(line["event"] == "window" and line["window"] == 9 for line in lines):
                await asyncio.sleep(0.001)
        first = await anext(updates(session, url))
        logged = [line["cell"] for line in lines if line["event"] == "window" and line["layer"] == 0]
        state = msgspec.convert(first["state"], AgentState)
        assert state.layer is not None
        if state.layer.layer == 0:
            assert first["order"][: len(logged)] == logged
            assert first["fallback_windows"] == list(range(len(first["fallback_windows"])))


async def test_state_geometry_and_map_are_the_parts(square_folder: Path, square: Part) -> None:
    async with aiohttp.ClientSession() as session, agent(slow(square_folder), whole=False) as (url, _, _task):
        async with asyncio.timeout(WAIT_S):
            while True:
                async with session.get(f"{url}api/map") as answer:
                    if answer.status == 200:
                        image = await answer.json()
                        break
                    assert answer.status == 404
                await asyncio.sleep(0.03)
        async with session.get(f"{url}api/state") as answer:
            state = msgspec.json.decode(await answer.read(), type=AgentState)
        async with session.get(f"{url}api/geometry/0") as answer:
            drawn = await answer.json()
        for wrong in ("1", "-1", "x", "99999999999999999999", "%00"):
            async with session.get(f"{url}api/geometry/{wrong}") as answer:
                assert answer.status == 404
    geometry = square.geometry_of(0)
    kelvin = np.frombuffer(base64.b64decode(image["counts"]), "<u2") * image["step_K"]
    assert state.layer is not None
    assert state.layer.map_min_K is not None
    assert kelvin.size == geometry.elements
    if state.layer.map_version == image["map_version"]:
        assert abs(kelvin.min() - state.layer.map_min_K) < 0.2
    grid = np.frombuffer(base64.b64decode(drawn["cell_of"]), "<u4").reshape(drawn["rows"], drawn["columns"])
    for number, cell in enumerate(geometry.cells):
        assert (grid[geometry.row[cell], geometry.col[cell]] == number + 1).all()


async def test_metrics_are_read_by_prometheus_own_parser_and_agree_with_the_log(square_folder: Path) -> None:
    async with aiohttp.ClientSession() as session, agent(slow(square_folder), whole=False) as (url, lines, _):
        async with asyncio.timeout(WAIT_S):
            while sum(line["event"] == "window" for line in lines) < 20:
                await asyncio.sleep(0.001)
        before = sum(line["event"] == "window" for line in lines)
        async with session.get(f"{url}metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = await answer.text()
        after = sum(line["event"] == "window" for line in lines)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    declared = {metric.name.removesuffix("_total") for metric in METRICS}
    assert {name for name in families if name.startswith("cosmic_")} == declared
    outcomes = {one.labels["outcome"]: one.value for one in families["cosmic_agent_windows"].samples}
    assert before <= outcomes["fallback_disconnected"] <= after
    slack = next(one.value for one in families["cosmic_agent_slack_seconds"].samples if one.name.endswith("_count"))
    assert slack == outcomes["fallback_disconnected"]
    assert not families["cosmic_agent_link_up"].samples, "no coordinator is configured"


async def test_health_and_readiness_say_why(square_folder: Path, tmp_path: Path) -> None:
    configured = slow(square_folder)
    token = tmp_path / "token"
    token.write_text("secret")
    uplink = msgspec.structs.replace(configured.uplink, url="ws://127.0.0.1:9/v1/agent", token_file=str(token))
    simulated = msgspec.structs.replace(configured.printer.simulated, start_limit_s=0.3)
    printer = msgspec.structs.replace(configured.printer, simulated=simulated)
    lonely = msgspec.structs.replace(configured, uplink=uplink, printer=printer)
    async with aiohttp.ClientSession() as session, agent(lonely, whole=False) as (url, _, _task):
        async with session.get(f"{url}healthz") as answer:
            assert (answer.status, (await answer.json())["alive"]) == (200, True)
        async with session.get(f"{url}readyz") as answer:
            said = await answer.json()
            assert (answer.status, said["ready"]) == (503, False)
            assert "coordinator cannot be reached" in said["reason"]
    async with aiohttp.ClientSession() as session, agent(configured, whole=False) as (url, _, _task):
        async with session.get(f"{url}readyz") as answer:
            assert (answer.status, await answer.json()) == (200, {"ready": True, "reason": ""})


async def test_a_port_in_use_stops_the_start_before_anything_is_printed(square_folder: Path) -> None:
    async with agent(slow(square_folder), whole=False) as (url, _, _task):
        port = int(url.rstrip("/").rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=r"choose a free http\.port"):
            await run_agent(settings(square_folder, port=port))


async def test_without_the_extra_a_configured_page_is_an_error_that_names_it(
    square_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosmic.web.missing.LIBRARIES", ("aiohttp", "no_such_library"))
    with pytest.raises(ConfigurationError, match=r"no_such_library is not installed.*cosmic-lpbf\[http\]"):
        await run_agent(settings(square_folder))


async def test_an_agent_without_a_page_imports_nothing_of_it(square_folder: Path) -> None:
    code = "import sys, agent.service; print([n for n in ('aiohttp', 'prometheus_client') if n in sys.modules])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert said.decode().strip() == "[]"


async def test_pages_that_do_not_read_and_strangers_cost_no_window(square_folder: Path) -> None:
    configured = settings(square_folder, layers=1, slow_s=0.2, connections_max=6, requests_per_s_max=20.0)
    async with agent(configured) as (url, lines, task):
        port = int(url.rstrip("/").rpartition(":")[2])
        requests = (
            b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",  # never read
            b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100000\r\n\r\n" + b"x" * 10_000,
            b"\x00\xff" * 2000,
        )
        sent = 0
        while not task.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(requests[sent % 3])
                sent += 1
            except ConnectionError:
                pass
            await asyncio.sleep(0.005)
    windows = [line for line in lines if line["event"] == "window"]
    assert sent > 20
    assert len(windows) == CELLS
    assert {line["outcome"] for line in windows} == {"fallback_disconnected"}
    assert next(line for line in lines if line["event"] == "layer")["windows"] == CELLS
