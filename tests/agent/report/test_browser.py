"""The page in a real browser (Debian's Chromium), opened as a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.recorder.reading import read
from agent.report.make import Found, find_part, write_comparison, write_report
from thermal.part import Part

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it comes with [dev]")

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip("chromium is not installed: apt-get install chromium", allow_module_level=True)

READY = "() => document.body.dataset.ready === 'yes'"
COLOURS = """() => {
  const canvas = document.getElementById("layer");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 64)
    if (pixels[i + 3]) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]);
  return seen.size;
}"""


@pytest.fixture(scope="module")
def report_file(lossy_file: Path, printed: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(read(lossy_file), Found(printed), path)
    return path


@pytest.fixture(scope="module")
def browser(
    whole_file: Path, lossy_file: Path
) -> Iterator[Any]:  # jobs are printed before: it has a loop of its own
    with playwright.sync_playwright() as running:
        # In a container Chromium has no sandbox of its own; pages here come from this machine alone.
        started = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


class Tab:
    """A page from a file, with what it asked for and what it complained of."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text)
        )
        self.page.goto(path.as_uri())

    def window(self) -> int:
        return int(self.page.evaluate("document.body.dataset.window"))

    def layer(self) -> str:
        return str(self.page.input_value("#choose"))


def test_it_opens_without_asking_anybody_and_without_a_complaint(report_file: Path, browser: Any) -> None:
    tab = Tab(browser, report_file)
    tab.page.wait_for_function(READY)
    assert [url for url in tab.asked if not url.startswith("data:")] == [report_file.as_uri()]
    tab.page.wait_for_function(f"() => ({COLOURS})() > 20")
    assert tab.complaints == []
    assert tab.page.inner_text("h1") == "<b>&job"
    assert tab.page.locator("img").evaluate_all(
        "all => all.every(image => image.complete && image.naturalWidth > 0)"
    )
    tab.context.close()


def test_the_animation_reaches_the_last_cell(report_file: Path, browser: Any) -> None:
    tab = Tab(browser, report_file)
    tab.page.wait_for_function(READY)
    tab.page.select_option("#speed", "0.25")
    tab.page.focus("#window")
    tab.page.keyboard.press("Home")
    assert tab.window() == 0
    tab.page.click("#play")
    assert tab.page.inner_text("#play") == "Pause"
    tab.page.select_option("#speed", "16")
    tab.page.wait_for_function("() => document.body.dataset.window === '36'")
    tab.page.wait_for_function("() => document.getElementById('play').textContent === 'Play'")
    assert tab.page.inner_text("#layer-words") == "1: window 36 of 36"
    assert "K predicted after" in tab.page.inner_text("#cell")
    assert tab.complaints == []
    tab.context.close()


def test_the_keyboard_alone_is_enough(report_file: Path, browser: Any) -> None:
    tab = Tab(browser, report_file)
    tab.page.wait_for_function(READY)
    keys = tab.page.keyboard
    keys.press("Home")
    for _ in range(3):
        keys.press("ArrowRight")
    assert tab.window() == 3
    keys.press("ArrowLeft")
    assert tab.window() == 2
    keys.press("n")
    tab.page.wait_for_function("() => document.getElementById('choose').value === '1'")
    keys.press("p")
    tab.page.wait_for_function("() => document.getElementById('choose').value === '0'")
    drawn = set()
    for key, button in (("b", "before"), ("a", "after"), ("o", "order")):
        keys.press(key)
        assert tab.page.get_attribute(f"#mode-{button}", "aria-pressed") == "true"
        drawn.add(tab.page.inner_text("#ticks"))
    assert len(drawn) == 2, "both maps in kelvin on one scale, the order in windows"
    keys.press("b")
    of_the_job = tab.page.inner_text("#ticks")
    tab.page.check("#own")
    narrow = [int(word) for word in tab.page.inner_text("#ticks").replace("K", " ").split()]
    wide = [int(word) for word in of_the_job.replace("K", " ").split()]
    assert narrow[-1] - narrow[0] < wide[-1] - wide[0], "a first map spans less than the job"
    tab.page.uncheck("#own")
    assert tab.page.inner_text("#ticks") == of_the_job
    keys.press("o")
    tab.page.evaluate("document.activeElement.blur()")
    keys.press(" ")
    assert tab.page.inner_text("#play") == "Pause"
    keys.press(" ")
    tab.page.focus("#layer")
    said = set()
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        keys.press(key)
        said.add(tab.page.inner_text("#cell"))
    assert len(said) > 2
    assert all(text.startswith("Cell ") for text in said)
    assert tab.complaints == []
    tab.context.close()


def test_on_paper_every_layer_stands_with_its_pictures(report_file: Path, browser: Any) -> None:
    tab = Tab(browser, report_file, color_scheme="dark")
    tab.page.wait_for_function(READY)
    paper = tab.page.pdf(prefer_css_page_size=True)
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Subtype /Image") >= 6, "order, first and predicted map of two layers"
    tab.page.emulate_media(media="print")
    assert not tab.page.is_visible("#stage")
    assert tab.page.locator(".layer").evaluate_all("all => all.every(layer => layer.offsetHeight > 50)")
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert tab.page.evaluate(
        "document.querySelector('.sheet').scrollHeight <= document.querySelector('.sheet').clientHeight + 1"
    )
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_sticks_out(report_file: Path, browser: Any, scheme: str) -> None:
    tab = Tab(browser, report_file, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    tab.page.wait_for_function(READY)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    dark = tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 20, 24)"
    assert dark == (scheme == "dark")
    tab.context.close()


def test_without_scripts_the_figures_are_there(report_file: Path, browser: Any) -> None:
    tab = Tab(browser, report_file, java_script_enabled=False)
    text = tab.page.inner_text("body")
    assert "The animation needs JavaScript" in text
    assert "Layer 2" in text
    tab.context.close()


def test_a_comparison_opens_the_same_way(
    lossy_file: Path, whole_file: Path, printed: Part, browser: Any, tmp_path: Path
) -> None:
    recordings = [(read(path), find_part(read(path), None)) for path in (whole_file, lossy_file)]
    assert all(found.part is not None for _, found in recordings)
    path = tmp_path / "comparison.html"
    write_comparison(recordings[0], recordings[1], path)
    tab = Tab(browser, path, viewport={"width": 360, "height": 740})
    assert [url for url in tab.asked if not url.startswith("data:")] == [path.as_uri()]
    assert tab.complaints == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "windows got the same cell" in tab.page.inner_text(".verdict")
    assert tab.page.locator("img").evaluate_all(
        "all => all.length > 0 && all.every(image => image.naturalWidth > 0)"
    )
    tab.context.close()
