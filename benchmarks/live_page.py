"""What the live page costs the agent, how soon it shows a picture, and how soon a fallback.

One agent prints 40 ms windows alone (every window is a fallback, the most that a page can have to show): without a
web server, with one that nobody asks, with a page that reads 10 updates a second, with Chromium showing it. CPU is
the agent's own, over the same seconds of printing, alternating so that all see the same machine.

    python benchmarks/live_page.py [--seconds 8] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from shapely.geometry import box

from thermal.building import build_from_outline
from thermal.part import write_part
from thermal.process import Process

CHROMIUM = "/usr/bin/chromium"
PICTURE = """() => {
  const canvas = document.getElementById("layer");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 256) if (pixels[i + 3]) seen.add(pixels[i] << 16 | pixels[i + 1] << 8);
  return seen.size > 6;
}"""
WATCH = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const [layer, number] = document.querySelectorAll("#fallback-rows tr:first-child td");
    window.seen.push([Number(layer.textContent) - 1, Number(number.textContent) - 1, Date.now()]);
  }).observe(document.getElementById("fallback-rows"), { childList: true });
}"""


class Agent:
    """An agent that prints on its own."""

    def __init__(self, folder: Path, part: Path, *, page: bool) -> None:
        config = folder / "agent.toml"
        config.write_text(
            f'[printer]\nname = "bench"\npart = "{part}"\n[printer.simulated]\nspreading_s = 0.2\n'
            + ("[http]\nport = 0\n" if page else "")
        )
        command = Path(sys.executable).parent / "cosmic-agent"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COSMIC_")}
        self._process = subprocess.Popen(
            [command, "run", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean
        )
        self.usage = psutil.Process(self._process.pid)
        self.url = ""
        self.windows: dict[tuple[int, int], float] = {}
        self.slack_ms: list[float] = []
        self.began = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        assert self.began.wait(30.0), "the agent did not print"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            if line["event"] == "http":
                self.url = line["url"]
            if line["event"] == "window":
                self.windows[line["layer"], line["window"]] = datetime.fromisoformat(line["time"]).timestamp()
                self.slack_ms.append(line["slack_ms"])
                self.began.set()

    def cpu_share(self, seconds: float) -> float:
        """Return the share of a core that the agent takes over `seconds`, in percent."""
        before, began_s = self.usage.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, ended_s = self.usage.cpu_times(), time.monotonic()
        return 100.0 * (after.user + after.system - before.user - before.system) / (ended_s - began_s)

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()


@contextmanager
def reading(url: str) -> Iterator[list[int]]:
    """Read a page's updates; the list counts them."""
    counted = [0]
    answer = urllib.request.urlopen(f"{url}api/events")  # noqa: S310  http, loopback

    def read() -> None:
        try:
            for line in answer:
                counted[0] += line.startswith(b"event: update")
        except (OSError, ValueError, AttributeError):  # closed while it was read
            pass

    threading.Thread(target=read, daemon=True).start()
    yield counted
    answer.close()


def measure(folder: Path, part: Path, variant: str, seconds: float, browser: Any) -> dict[str, float]:
    """Return the figures of one run of `variant`."""
    agent = Agent(folder, part, page=variant != "off")
    try:
        if variant == "reading":
            with reading(agent.url) as counted:
                share = agent.cpu_share(seconds)
                return {"cpu_percent": share, "updates_per_s": counted[0] / seconds}
        if variant == "chromium":
            return look(agent, browser, seconds)
        return {"cpu_percent": agent.cpu_share(seconds)}
    finally:
        agent.end()


def look(agent: Agent, browser: Any, seconds: float) -> dict[str, float]:
    """Return the figures of an agent that Chromium shows, in its first layer: simulating heat comes after it."""
    tab = browser.new_page()
    tab.goto(agent.url)
    tab.wait_for_function(PICTURE)
    tab.evaluate(WATCH)
    share = agent.cpu_share(seconds)
    seen = tab.evaluate("window.seen")
    delays_s = [at_ms / 1e3 - agent.windows[layer, window] for layer, window, at_ms in seen]
    tab.close()
    pictures_s = []
    for _ in range(3):
        context = browser.new_context()
        tab = context.new_page()
        began_s = time.monotonic()
        tab.goto(agent.url, wait_until="commit")
        tab.wait_for_function(PICTURE)
        pictures_s.append(time.monotonic() - began_s)
        context.close()
    return {
        "cpu_percent": share,
        "first_picture_s": statistics.median(pictures_s),
        "fallback_shown_s_median": statistics.median(delays_s),
        "fallback_shown_s_max": max(delays_s),
        "shown": len(delays_s),
    }


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  comes with [dev]

    process = Process(element_m=2e-4, speed_m_s=0.32, spreading_s=1.0)
    part = build_from_outline(box(0, 0, 40.0, 40.0), "square", process, layers=200, island_mm=1.6)
    found: dict[str, list[dict[str, float]]] = {"off": [], "idle": [], "reading": [], "chromium": []}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_part(part, folder / "part")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for number in range(options.rounds):
            for variant, results in found.items():
                sys.stderr.write(f"round {number + 1}, {variant}\n")
                results.append(measure(folder, folder / "part", variant, options.seconds, browser))
        browser.close()
    figures = {
        variant: {key: round(statistics.median(one[key] for one in results), 4) for key in results[0]}
        for variant, results in found.items()
    }
    off = figures["off"]["cpu_percent"]
    figures["cost"] = {
        f"{variant}_percent_of_a_core": round(figures[variant]["cpu_percent"] - off, 2)
        for variant in ("idle", "reading", "chromium")
    }
    geometry = part.geometry_of(0)
    figures["part"] = {"elements": geometry.elements, "cells": len(geometry.cells)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
