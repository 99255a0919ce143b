"""The page's own structure: everything inside, nothing outside, nothing believed that a recording says."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.recorder.reading import Recording, read
from agent.report.make import Found, find_part, write_report
from thermal.part import Part

KEPT = Path(__file__).parents[2] / "data" / "recording-v1.mcap"


class Outline(HTMLParser):
    """Tags with their attributes, and the text of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  the parser's interface
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def page(lossy_file: Path, printed: Part, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(read(lossy_file), Found(printed), path)
    return path.read_text()


def test_no_address_leads_outside(page: str) -> None:
    outline = Outline(page)
    for tag, attributes in outline.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), f"<{tag} {name}={value[:60]}>"
        assert not any(name.startswith("on") for name in attributes), "no script in an attribute"
    assert "@import" not in page
    assert not re.search(r"url\(", page)
    assert not re.search(r"^\s*(import|export)\b", outline.scripts[1], re.MULTILINE)


def test_its_policy_lets_its_own_script_run_and_no_other(page: str) -> None:
    outline = Outline(page)
    (policy,) = [
        each["content"] for tag, each in outline.tags if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(outline.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_what_a_recording_says_is_text_and_never_markup(page: str) -> None:
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;job" in page


def test_every_layer_has_its_order_its_maps_and_their_data(page: str, lossy: Recording, printed: Part) -> None:
    outline = Outline(page)
    images = [each for tag, each in outline.tags if tag == "img"]
    assert [each["class"] for each in images] == ["order", "before", "after"] * 2
    low_K, high_K = _data(outline)["scale_K"]
    geometry = printed.geometry_of(0)
    picture = _opened(images[1])
    top = int(geometry.row.max())
    shown_K = low_K + (picture[top - geometry.row, geometry.col].astype(float) - 1) / 254 * (high_K - low_K)
    inside = np.clip(lossy.map_K(0), low_K, high_K)
    assert np.abs(shown_K - inside).max() <= (high_K - low_K) / 254 + 0.02
    order = _opened(images[0])
    windows = {window.cell: window.window for window in lossy.windows if window.layer == 0}
    for cell, elements in enumerate(geometry.cells):
        place = {int(order[top - geometry.row[each], geometry.col[each]]) for each in elements}
        assert place == {1 + round(windows[cell] / 35 * 254)}


def test_the_animations_data_is_that_of_the_recording(page: str, lossy: Recording) -> None:
    data = _data(Outline(page))
    for told in data["layers"]:
        windows = [window for window in lossy.windows if window.layer == told["layer"]]
        assert _numbers(told["order"], "<u2").tolist() == [window.cell for window in windows]
        slack = [window.slack_ms for window in windows]
        assert np.abs(_numbers(told["slack"], "<i2") * data["step_ms"] - slack).max() <= 0.0501
        assert [each[0] for each in told["fallbacks"]] == [w.window for w in windows if w.outcome != "on_time"]
        assert len(_numbers(told["printed"], "<u2")) == 36


def test_fallbacks_stand_with_cause_and_remedy_and_what_is_not_known_is_said(page: str) -> None:
    text = Outline(page).text
    assert "cable pulled" in text
    assert "restore the link to the coordinator" in text
    assert "the coordinator does not tell them to the agent" in text
    assert "standard deviation of the layer's temperature" in text
    assert "T_melt = 1674 K" in text


def test_without_the_part_there_is_a_page_that_says_so(lossy: Recording, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(lossy, Found(None, "it is not here"), path)
    outline = Outline(path.read_text())
    assert not [tag for tag, _ in outline.tags if tag == "img"]
    assert "they need the part. it is not here" in outline.text
    assert "fell back" in outline.text


def test_a_kept_recording_of_every_version_is_reported(tmp_path: Path) -> None:
    recording = read(KEPT)
    found = find_part(recording, None)
    assert found.part is None
    assert "name its folder with --part" in found.without
    report = write_report(recording, found, tmp_path / "report.html")
    expected = json.loads(KEPT.with_suffix(".json").read_text())
    assert [cell for layer in report.layers for cell in layer.order] == expected["order"]
    assert report.decisions == expected["decisions"]


def _data(outline: Outline) -> Any:
    return json.loads(outline.scripts[0])


def _numbers(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def _opened(image: dict[str, str | None]) -> np.ndarray:
    address = image["src"]
    assert address is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
