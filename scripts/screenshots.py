#!/usr/bin/env python3
"""Takes the docs' pictures of the live pages and the report: a real job, printed by agent and coordinator.

    scripts/screenshots [--output docs/pictures]

Needs Debian's chromium. The coordinator is killed (kill -9) in the second layer, so that fallbacks and alarms are
there to be seen; the report is that of a demonstration with the same fault.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
CHROMIUM = "/usr/bin/chromium"
DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
LIVE = "() => document.getElementById('fresh').textContent === 'live'"


SECOND_LAYER = """() => {
  const words = document.getElementById("layer-words").textContent;
  return words.startsWith("2 of") && parseInt(words.split("·")[1]) > 18;
}"""


class Job:
    """The two processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        part = folder / "parts" / "gear"
        words = ["--element", "0.4", "--island", "3.2", "--operators", "dense", "--blocks", "2x1"]
        run("part", "build", str(ROOT / "examples/gear.stl"), "-o", str(part), *words)
        tokens = folder / "tokens.json"
        (folder / "token").write_text(run("token", "add", "press-1", "--tokens", str(tokens)).strip())
        (folder / "cosmic-cloud.toml").write_text(
            f'[listen]\nport = 0\n[parts]\ndirectory = "{part.parent}"\n[tokens]\nfile = "{tokens}"\n'
            "[http]\nport = 0\n"
            '[engine]\nname = "local"\nblocks_rows = 2\nblocks_columns = 1\n'
        )
        port = self.start("cosmic-cloud", "serve", "listening")["port"]
        self.coordinator_url: str = self.said("cosmic-cloud", "http")["url"]
        (folder / "cosmic-agent.toml").write_text(
            f'[printer]\nname = "press-1"\npart = "{part}"\njob = "gear-0117"\n'
            "[printer.simulated]\nspreading_s = 1.0\ntime_scale = 0.3\n"
            f'[uplink]\nurl = "ws://127.0.0.1:{port}/v1/agent"\ntoken_file = "{folder}/token"\nlookahead = 6\n'
            f'[recording]\ndirectory = "{folder}/recordings"\n[http]\nport = 0\n'
        )
        self.agent_url: str = self.start("cosmic-agent", "run", "http")["url"]

    def start(self, command: str, word: str, event: str) -> Any:
        """Start a process and return the line in which it says `event`."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COSMIC_")}
        with (self._folder / f"{command}.log").open("wb") as log:
            words = [BIN / command, word, "--config", self._folder / f"{command}.toml"]
            self._running[command] = subprocess.Popen(words, stdout=log, stderr=log, env=clean)  # noqa: S603
        return self.said(command, event)

    def said(self, command: str, event: str) -> Any:
        """Return the line in which a process says `event`."""
        until_s = time.monotonic() + 60.0
        while time.monotonic() < until_s:
            for text in (self._folder / f"{command}.log").read_text().splitlines():
                if text.startswith("{") and text.endswith("}") and (line := json.loads(text))["event"] == event:
                    return line
            time.sleep(0.05)
        raise SystemExit(f"{command} did not say {event!r}:\n{(self._folder / f'{command}.log').read_text()}")

    def kill_coordinator(self) -> None:
        """Kill it as a loss of power would."""
        self._running["cosmic-cloud"].send_signal(signal.SIGKILL)

    def end(self) -> None:
        """End both."""
        for process in self._running.values():
            process.kill()
            process.wait()


def run(*words: str) -> str:
    """Return what a command of the coordinator prints."""
    return subprocess.run([BIN / "cosmic-cloud", *words], check=True, capture_output=True, text=True).stdout  # noqa: S603


@contextmanager
def tab(browser: Browser, url: str, scheme: str, size: dict[str, int]) -> Iterator[Page]:
    """Open a page that is live."""
    context = browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(LIVE, timeout=60_000)
    yield page
    context.close()


def take(job: Job, browser: Browser, folder: Path) -> None:
    """Take all pictures, while the job goes on."""
    with tab(browser, job.agent_url, "light", DESKTOP) as page, tab(browser, job.agent_url, "dark", PHONE) as phone:
        page.wait_for_function(SECOND_LAYER, timeout=120_000)
        page.screenshot(path=folder / "live-page.png", full_page=True)
        phone.screenshot(path=folder / "live-page-phone.png")
        with tab(browser, job.coordinator_url, "light", DESKTOP) as all_printers:
            all_printers.screenshot(path=folder / "live-page-coordinator.png", full_page=True)
        with tab(browser, f"{job.coordinator_url}printers/press-1", "light", DESKTOP) as printer:
            printer.wait_for_function("() => document.getElementById('ticks').textContent.includes('window')")
            printer.wait_for_timeout(500)
            printer.screenshot(path=folder / "live-page-printer.png", full_page=True)
        job.kill_coordinator()
        with tab(browser, job.agent_url, "dark", DESKTOP) as dark:
            dark.click("#mode-order")
            dark.wait_for_function(
                "() => document.querySelectorAll('#fallback-rows tr').length > 3", timeout=60_000
            )
            dark.screenshot(path=folder / "live-page-fallbacks.png", full_page=True)


def demonstrate(folder: Path) -> Path:
    """Return the report that the demonstration writes."""
    words = ["demo", "--directory", folder, "--solid", ROOT / "examples/gear.stl", "--fault", "coordinator"]
    # Exit 1: a busy machine costs a window more; the report is there.
    subprocess.run([BIN / "cosmic-cloud", *words], check=False, capture_output=True)  # noqa: S603
    return next((folder / "recordings").glob("*/report.html"))


def take_report(path: Path, browser: Browser, folder: Path) -> None:
    """Take the picture of a report: its first layer with fallbacks, some windows before the end."""
    page = browser.new_page(viewport=DESKTOP)
    page.goto(path.as_uri())
    page.wait_for_function("() => document.body.dataset.ready === 'yes'")
    page.select_option("#choose", label=page.inner_text("#choose option:has-text('▲')"))
    page.wait_for_function("() => document.body.dataset.window !== '0'")
    page.evaluate("document.activeElement.blur()")
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    page.screenshot(path=folder / "report.png")
    page.close()


def _behind(folder: Path) -> Path:
    """Return a browser that leaves the processors to others: beside a printer it would be on another computer."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec nice -n 19 {CHROMIUM} "$@"\n')
    program.chmod(0o755)
    return program


def main() -> None:
    """Run the job and take the pictures."""
    parser = argparse.ArgumentParser(description="Takes the pictures of the live pages.")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures")
    output: Path = parser.parse_args().output
    if not Path(CHROMIUM).exists():
        raise SystemExit("chromium is not installed: apt-get install chromium")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_behind(Path(name)), args=["--no-sandbox"])
        job = Job(Path(name))
        try:
            take(job, browser, output)
            job.end()
            take_report(demonstrate(Path(name) / "demo"), browser, output)
            browser.close()
        finally:
            job.end()
    for path in [*sorted(output.glob("live-page*.png")), output / "report.png"]:
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
