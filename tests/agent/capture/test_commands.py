"""`cosmic-agent capture` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from agent.commands import app
from cosmic.commands import run
from tests.agent.capture.views import CORNERS_MM, CORNERS_PX

pytest.importorskip("matplotlib", reason='matplotlib is not installed: pip install "cosmic-lpbf[plot]"')


def agent(*words: str | Path) -> int:
    return run(app, "cosmic-agent", [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path, square_folder: Path) -> Path:
    """A folder with points, a frame and a configuration."""
    frames = tmp_path / "frames"
    frames.mkdir()
    counts = 4000 + np.random.default_rng(1).normal(0, 5, (120, 160))
    tifffile.imwrite(frames / "frame.tif", counts.astype(np.uint16))
    rows = [f"{u};{v};{x};{y};P{n}" for n, ((u, v), (x, y)) in enumerate(zip(CORNERS_PX, CORNERS_MM, strict=True))]
    (tmp_path / "points.csv").write_text("u_px;v_px;x_mm;y_mm;name\n" + "\n".join(rows) + "\n")
    (tmp_path / "agent.toml").write_text(
        f'[printer]\npart = "{square_folder}"\n[capture]\nsource = "folder"\n'
        f'[capture.folder]\ndirectory = "{frames}"\npattern = "*.tif"\n'
        f'[capture.registration]\nfile = "{tmp_path}/registration.json"\n[capture.calibration]\nscale_K = 0.1\n'
    )
    return tmp_path


def register(folder: Path, *words: str) -> int:
    frame, output = folder / "frames" / "frame.tif", folder / "registration.json"
    return agent("capture", "register", folder / "points.csv", "--frame", frame, "-o", output, *words)


def test_points_are_registered_and_one_frame_is_taken_drawn_and_saved(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert register(folder) == 0
    told = capsys.readouterr().out
    assert "P3" in told
    assert "four points always fit" in told
    plot, saved = folder / "out.png", folder / "map.npy"
    config = folder / "agent.toml"
    assert agent("capture", "once", "--config", config, "--plot", plot, "--save", saved, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["elements"] == 576
    assert document["coverage_percent"] == 100.0
    assert document["mean_K"] == pytest.approx(400.0, abs=0.5)
    assert np.load(saved).shape == (576,)
    with Image.open(plot) as picture:
        assert picture.width > 1200
        assert len(picture.getcolors(10**7)) > 50


def test_a_faulty_frame_is_drawn_and_named_with_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register(folder) == 0
    tifffile.imwrite(folder / "frames" / "later.tif", np.full((120, 160), 65535, dtype=np.uint16))
    plot = folder / "out.png"
    assert agent("capture", "once", "--config", folder / "agent.toml", "--plot", plot) == 1
    assert "saturated: 100.0% of the pixels" in capsys.readouterr().err
    assert plot.stat().st_size > 10_000


def test_collinear_points_are_one_line_with_exit_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "points.csv").write_text("u_px,v_px,x_mm,y_mm\n1,1,0,0\n2,2,1,1\n3,3,2,2\n4,9,3,9\n")
    assert register(folder) == 2
    err = capsys.readouterr().err
    assert "points 1, 2, 3 on the plate lie on a line" in err
    assert len(err.splitlines()) == 1
    assert not (folder / "registration.json").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("u_px,v_px,x_mm\n1,2,3\n", "the head lacks y_mm"),
        ("u_px,v_px,x_mm,y_mm\n1,2,three,4\n", "point 1: could not convert"),
        ("u_px,v_px,x_mm,y_mm\n" + "500,2,3,4\n" * 4, "point 1 lies outside the frame"),
    ],
)
def test_a_points_file_that_cannot_be_used_says_why(
    folder: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "points.csv").write_text(text)
    assert register(folder) == 2
    assert says in capsys.readouterr().err


def test_bad_pixels_are_found_and_their_mask_is_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register(folder) == 0
    random, bad = np.random.default_rng(4), [(60, 80), (61, 80), (30, 100)]
    frames = {"dark": random.normal(3000, 8, (120, 160)), "flat": random.normal(5000, 8, (120, 160))}
    frames["dark"][60, 80] = frames["flat"][60, 80] = 60000  # hot
    frames["flat"][61, 80] = frames["dark"][61, 80]  # dead
    frames["flat"][30, 100] = 3400  # weak
    for name, frame in frames.items():
        tifffile.imwrite(folder / f"{name}.tif", frame.astype(np.uint16))
    mask = folder / "bad.npy"
    assert agent("capture", "bad-pixels", folder / "dark.tif", folder / "flat.tif", "-o", mask) == 0
    assert "3 of 19200 pixels" in capsys.readouterr().out
    assert sorted(map(tuple, np.argwhere(np.load(mask)))) == sorted(bad)
    spoiled = tifffile.imread(folder / "frames" / "frame.tif")
    for row, column in bad:
        spoiled[row, column] = 60000
    tifffile.imwrite(folder / "frames" / "spoiled.tif", spoiled)
    config = folder / "agent.toml"
    config.write_text(config.read_text() + f'bad_pixels_file = "{mask}"\n')
    assert agent("capture", "once", "--config", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["hottest_K"] < 402.0


def test_without_a_camera_the_simulated_map_is_shown(square_folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'[printer]\npart = "{square_folder}"\n')
    assert agent("capture", "once", "--config", config, "--plot", tmp_path / "out.png") == 0
    assert (tmp_path / "out.png").stat().st_size > 10_000
