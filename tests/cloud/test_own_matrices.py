"""The how-to on one's own matrices does what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from cloud.commands import app
from cosmic.commands import run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-matrices.md"


def test_the_example_runs(
    square_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(square_folder, tmp_path / "square")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(\w*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ran = 0
    for language, text in blocks:
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), {})  # noqa: S102  the page's own code
        elif text.startswith("cosmic-cloud"):
            assert run(app, "cosmic-cloud", shlex.split(text)[1:]) == 0
            ran += 1
    assert ran == 2
    out = capfd.readouterr().out
    assert out.startswith("order: ")
    assert json.loads(out[out.index("{") :])["operator"] == "opaque"
