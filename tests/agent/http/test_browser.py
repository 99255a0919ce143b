"""The live page in a real browser (Debian's Chromium), beside a real agent and a real coordinator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiohttp", reason='aiohttp is not installed: pip install "cosmic-lpbf[http]"')
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it comes with [dev]")

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)

WAIT_MS = 30_000
BIN = Path(sys.executable).parent


class Printing:
    """A coordinator and an agent as processes; the printer is slowed, the look-ahead short."""

    def __init__(self, folder: Path, part: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        token = self._run("token", "add", "press-1", "--tokens", str(folder / "tokens.json")).strip()
        (folder / "token").write_text(token)
        self._write(
            "coordinator.toml",
            f'[listen]\nport = 0\n[parts]\ndirectory = "{part.parent}"\n[tokens]\nfile = "{folder}/tokens.json"\n'
            "[http]\nport = 0\n",
        )
        port = self._start("cosmic-cloud", "serve", "listening")["port"]
        self._write(
            "agent.toml",
            f'[printer]\nname = "press-1"\npart = "{part}"\njob = "job-1"\n'
            "[printer.simulated]\nlayers = 3\nspreading_s = 0.3\ntime_scale = 0.05\n"
            f'[uplink]\nurl = "ws://127.0.0.1:{port}/v1/agent"\ntoken_file = "{folder}/token"\nlookahead = 2\n'
            "[http]\nport = 0\n",
        )
        self.agent_url: str = self._start("cosmic-agent", "run", "http")["url"]
        self.coordinator_url: str = self._line("cosmic-cloud", "http")["url"]

    def kill_coordinator(self) -> None:
        self._processes["cosmic-cloud"].send_signal(signal.SIGKILL)

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _run(self, *words: str) -> str:
        return subprocess.run([BIN / "cosmic-cloud", *words], check=True, capture_output=True, text=True).stdout

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text + '[log]\nlevel = "info"\n')

    def _start(self, command: str, word: str, event: str) -> Any:
        name = {"cosmic-cloud": "coordinator.toml", "cosmic-agent": "agent.toml"}[command]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("COSMIC_")}
        with (self._folder / f"{command}.log").open("wb") as log:
            self._processes[command] = subprocess.Popen(
                [BIN / command, word, "--config", self._folder / name], stdout=log, stderr=log, env=clean
            )
        return self._line(command, event)

    def _line(self, command: str, event: str) -> Any:
        until_s = time.monotonic() + 30.0
        while time.monotonic() < until_s:
            for line in (self._folder / f"{command}.log").read_bytes().splitlines(keepends=True):
                if line.endswith(b"}\n") and (said := msgspec.json.decode(line))["event"] == event:
                    return said
            assert self._processes[command].poll() is None, (self._folder / f"{command}.log").read_text()
            time.sleep(0.02)
        raise AssertionError(f"{command} did not say {event}")


@pytest.fixture(scope="module")
def printing(tmp_path_factory: pytest.TempPathFactory, square_folder: Path) -> Iterator[Printing]:
    started = Printing(tmp_path_factory.mktemp("live"), square_folder)
    yield started
    started.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        # In a container Chromium has no sandbox of its own; pages here come from this machine alone.
        started = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A page in a browser, with what it asked for and what it complained of."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))
        self.page.goto(url)

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def colour(self, selector: str, of: str = "background-color") -> str:
        return str(self.page.eval_on_selector(selector, f"node => getComputedStyle(node)['{of}']"))


DRAWN = """() => {
  const canvas = document.getElementById("layer");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 64)
    if (pixels[i + 3]) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
  return seen.size > 8;
}"""


def test_the_agents_page_shows_the_layer_and_asks_nobody_else(printing: Printing, browser: Any) -> None:
    tab = Tab(browser, printing.agent_url)
    tab.until("() => document.getElementById('fresh').textContent === 'live'")
    tab.until("() => document.getElementById('layer-words').textContent.includes('of 36 cells')")
    tab.until(DRAWN)
    assert tab.page.text_content("#printer") == "press-1"
    assert "K" in tab.page.text_content("#ticks")
    assert tab.complaints == []
    assert {url.split("/")[2] for url in tab.asked} == {printing.agent_url.split("/")[2]}
    tab.context.close()


def test_it_can_be_used_with_the_keyboard_alone(printing: Printing, browser: Any) -> None:
    tab = Tab(browser, printing.agent_url)
    tab.until("() => document.getElementById('layer-words').textContent.includes('of 36 cells')")
    tab.until(DRAWN)
    reached = []
    for _ in range(5):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert reached == ["skip", "mode-temperature", "mode-order", "layer", "timeline"]
    tab.page.focus("#mode-order")
    tab.page.keyboard.press("Enter")
    assert tab.page.get_attribute("#mode-order", "aria-pressed") == "true"
    assert tab.page.get_attribute("#mode-temperature", "aria-pressed") == "false"
    tab.page.focus("#layer")
    said = set()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        tab.page.keyboard.press(key)
        said.add(tab.page.text_content("#cell"))
    assert len(said) > 2
    assert all(text.startswith("Cell ") and " K in the map" in text for text in said)
    tab.until(
        "() => document.getElementById('slack-title') && document.querySelector('#slack-min').textContent !== '–'"
    )
    tab.page.focus("#timeline")
    tab.page.keyboard.press("Home")
    assert "left, " in tab.page.text_content("#slack-cell")
    tab.context.close()


@pytest.mark.parametrize("path", ["/", "/printers/press-1"])
def test_the_coordinators_pages_show_the_printer(printing: Printing, browser: Any, path: str) -> None:
    tab = Tab(browser, printing.coordinator_url.rstrip("/") + path)
    tab.until("() => document.getElementById('fresh').textContent === 'live'")
    tab.until("() => document.body.innerText.includes('press-1')")
    if path == "/":
        tab.until("() => document.querySelector('#printers li .badge').textContent === 'deciding'")
        tab.page.click("text=press-1")
        tab.page.wait_for_url("**/printers/press-1")
    tab.until(DRAWN)
    assert tab.complaints == []
    assert {url.split("/")[2] for url in tab.asked} == {printing.coordinator_url.split("/")[2]}
    tab.context.close()


def test_light_and_dark_follow_the_reader_and_stay_readable(printing: Printing, browser: Any) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        tab = Tab(browser, printing.agent_url, color_scheme=scheme)
        tab.until("() => document.getElementById('fresh').textContent === 'live'")
        seen[scheme] = (tab.colour("body"), tab.colour("body", "color"))
        for selector in ("body", ".fresh", "#state", "#link", ".facts dt", "#mode-temperature", "#mode-order"):
            ratio = tab.page.eval_on_selector(selector, CONTRAST)
            assert ratio >= 4.5, f"{selector} in {scheme}: contrast {ratio:.2f}"
        tab.context.close()
    assert seen["light"] != seen["dark"]


CONTRAST = """node => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255)).reduce(
    (sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = node;
  let ground = [255, 255, 255, 1];
  while (behind) {
    const found = numbers(getComputedStyle(behind).backgroundColor);
    if (found.length < 4 || found[3] === 1) { ground = found; break; }
    behind = behind.parentElement;
  }
  const [one, two] = [light(numbers(getComputedStyle(node).color)), light(ground)].sort((a, b) => b - a);
  return (one + 0.05) / (two + 0.05);
}"""


def test_on_a_phone_nothing_sticks_out(printing: Printing, browser: Any) -> None:
    for url in (printing.agent_url, printing.coordinator_url, f"{printing.coordinator_url}printers/press-1"):
        tab = Tab(browser, url, viewport={"width": 360, "height": 740})
        tab.until("() => document.getElementById('fresh').textContent === 'live'")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
        tab.context.close()


def test_a_fallback_appears_with_its_cause_and_remedy_and_then_stale_data_is_said(
    printing: Printing, browser: Any
) -> None:
    tab = Tab(browser, printing.agent_url)
    tab.until("() => document.getElementById('link').textContent === 'link up'")
    printing.kill_coordinator()
    tab.until("() => document.getElementById('link').textContent === 'link down'")
    tab.page.wait_for_selector("#fallback-rows tr")
    row = tab.page.inner_text("#fallback-rows tr")
    assert "▲ fallback: link down" in row
    alarm = tab.page.inner_text("#alarms [data-kind=link_down]")
    assert "The coordinator cannot be reached" in alarm
    assert "What to do: check that the coordinator runs" in alarm
    assert tab.page.text_content("#state") == "printing, degraded"
    printing.end()
    tab.until("() => document.body.classList.contains('stale')")
    assert "No data since" in tab.page.inner_text("#stale")
    assert tab.page.text_content("#fresh") == "not connected"
    tab.context.close()
