"""The demonstration as its user runs it: coordinator, workers and agent as real processes, killed where told."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.commands import app
from cosmic.commands import run
from thermal.order import order_layer
from thermal.part import load_part

ROOT = Path(__file__).parents[1]


def demo(folder: Path, *words: str) -> Any:
    """Run it and return its verdict. A machine under load may cost a window, which is why exit 1 is looked into.

    The command itself runs in this process, so that its coverage counts; whatever it starts are processes.
    """
    printed = io.StringIO()
    options = ["--directory", str(folder), "--solid", str(ROOT / "examples" / "gear.stl"), "--json", *words]
    with contextlib.redirect_stdout(printed):
        code = run(app, "cosmic-cloud", ["demo", *options])
    assert code in (0, 1), printed.getvalue()
    return json.loads(printed.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, so that the part is prepared once."""
    return tmp_path_factory.mktemp("demo")


def lines(folder: Path, event: str) -> list[Any]:
    read = [json.loads(line) for line in (folder / "agent.log").read_text().splitlines()]
    return [line for line in read if line["event"] == event]


@pytest.mark.parametrize("words", [(), ("--engine", "inline", "--lookahead", "1", "--time-scale", "0.66")])
def test_every_cell_is_scanned_once_in_the_order_that_smartscan_gives_in_one_process(
    folder: Path, words: tuple[str, ...]
) -> None:
    verdict = demo(folder, "--layers", "2", *words)
    assert (verdict["layers"], verdict["every_cell_once"]) == (2, True)
    assert (verdict["orders_checked"], verdict["orders_equal"]) == (2, 2)
    assert verdict["starved_ms"] == 0.0
    (report,) = (folder / "recordings").glob("*/report.html")
    assert "had the coordinator&#x27;s decision in time" in report.read_text()
    part = load_part(folder / "parts" / "gear")
    for path in sorted((folder / "maps").glob("layer-*-map.npy")):
        layer = int(path.name.split("-")[1])
        windows = [line for line in lines(folder, "window") if line["layer"] == layer]
        if all(line["source"] == "coordinator" for line in windows):
            assert [line["cell"] for line in windows] == order_layer(part, layer, np.load(path)).order


def test_a_coordinator_killed_in_a_layer_costs_only_what_the_buffer_did_not_hold(folder: Path) -> None:
    verdict = demo(folder, "--layers", "2", "--fault", "coordinator", "--time-scale", "0.1")
    assert verdict["every_cell_once"]
    assert verdict["orders_equal"] == verdict["orders_checked"] == 2
    struck = [stretch for stretch in verdict["stretches"] if stretch["layer"] == 1]
    seen = [(stretch["link"], stretch["source"]) for stretch in struck]
    assert seen[0] == ("up", "coordinator")
    assert ("down", "coordinator") in seen, "windows in the look-ahead buffer are no fallbacks"
    assert ("down", "fallback") in seen
    assert seen[-1] == ("up", "coordinator"), "decisions come again in the same layer"
    (rejoining,) = lines(folder, "rejoining")
    assert rejoining["layer"] == 1
    assert rejoining["printed"] > 8


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel in numpy's place in the cache of deploy: nothing is downloaded."""
    cache = tmp_path / "cache" / "cosmic" / "wheels"
    cache.mkdir(parents=True)
    name = f"numpy-{metadata.version('numpy')}-cp313-cp313-manylinux_2_28_aarch64.whl"
    with zipfile.ZipFile(cache / name, "w") as archive:
        archive.writestr("numpy/version.py", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("wheels")
def test_functions_are_deployed_print_the_job_and_are_removed_without_an_account(tmp_path: Path) -> None:
    for library in ("moto", "awslambdaric", "boto3"):
        pytest.importorskip(library, reason=f"{library} is not installed: functions cannot be run")
    verdict = demo(tmp_path / "demo", "--layers", "2", "--engine", "lambda")
    assert (verdict["layers"], verdict["every_cell_once"]) == (2, True)
    assert verdict["orders_equal"] == verdict["orders_checked"] == 2
    functions = verdict["functions"]
    assert functions["engine"] == "lambda eu-central-1 3 x 2x1 float64 speculative"
    assert functions["functions"] == 6
    assert functions["rounds"] >= 2
    assert functions["guesses_right"] > 0
    assert functions["requests"] == functions["requests_reported"] == functions["invocations"]
    assert abs(functions["difference_percent"]) < 25.0
    assert functions["left"] == []


def test_a_solid_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "cosmic-cloud"
    done = subprocess.run(
        [command, "demo", "--directory", tmp_path / "demo", "--solid", tmp_path / "absent.stl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "absent.stl is not there" in done.stderr
    assert not (tmp_path / "demo").exists()
