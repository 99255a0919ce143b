"""The newest complete file since the layer was ready is its frame; a half-written one is named."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from structlog.testing import capture_logs

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.folder import FolderSource
from agent.capture.frame import Frame
from agent.capture_settings import Folder
from cosmic.errors import ConfigurationError

FRAME = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000


def tiff(frame: NDArray[np.uint16]) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, frame)
    return file.getvalue()


def png(frame: NDArray[np.uint16]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG")
    return file.getvalue()


def npy(frame: NDArray[np.uint16]) -> bytes:
    file = io.BytesIO()
    np.save(file, frame)
    return file.getvalue()


def csv(frame: NDArray[np.uint16]) -> bytes:
    return "".join(";".join(f"{value},0" for value in row) + "\n" for row in frame).encode()


WRITERS = {".tif": tiff, ".png": png, ".npy": npy, ".csv": csv}


def take(
    folder: Path,
    during: Callable[[], Awaitable[None]] | None = None,
    *,
    layer: int = 0,
    limit_s: float = 3.0,
    **settings: object,
) -> Frame:
    """Wait for a frame of `folder`, and do `during` once the waiting has begun."""

    async def both() -> Frame:
        source = FolderSource(Folder(directory=str(folder), poll_ms=2.0, **({"settle_ms": 8.0} | settings)))  # type: ignore[arg-type]
        waiting = asyncio.create_task(source.frame(layer, limit_s))
        await asyncio.sleep(0.02)  # it has looked at what was there before
        if during is not None:
            await during()
        return await waiting

    return asyncio.run(both())


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_frame_of_every_format_is_read_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    async def drop() -> None:
        (tmp_path / f"frame{suffix}").write_bytes(WRITERS[suffix](FRAME))

    frame = take(tmp_path, drop)
    assert np.array_equal(frame.pixels, FRAME)
    assert frame.counts_max == (None if suffix == ".csv" else 65535.0)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.98])
def test_a_half_written_file_is_never_taken_and_the_whole_one_is(tmp_path: Path, suffix: str, share: float) -> None:
    content = WRITERS[suffix](FRAME)
    path = tmp_path / f"frame{suffix}"

    async def in_two_parts() -> None:
        path.write_bytes(content[: int(len(content) * share)])
        await asyncio.sleep(0.06)  # several looks, long after it has settled
        path.write_bytes(content)

    assert np.array_equal(take(tmp_path, in_two_parts).pixels, FRAME)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_stays_half_written_is_named(tmp_path: Path, suffix: str) -> None:
    async def drop() -> None:
        content = WRITERS[suffix](FRAME)
        (tmp_path / f"frame{suffix}").write_bytes(content[: len(content) * 2 // 3])

    with pytest.raises(FrameFault, match=f"frame{suffix}: half-written") as caught:
        take(tmp_path, drop, limit_s=0.2)
    assert caught.value.kind is FaultKind.HALF_WRITTEN
    assert caught.value.remedy


def test_a_frame_from_before_the_layer_is_not_taken_and_the_newest_after_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.npy").write_bytes(npy(FRAME))
    with pytest.raises(FrameFault, match=r"no new file .* the newest before is old.npy") as caught:
        take(tmp_path, limit_s=0.1)
    assert caught.value.kind is FaultKind.MISSING

    async def drop() -> None:
        for number in range(3):
            (tmp_path / f"{number}.part").write_bytes(npy(FRAME + number))
        for number in range(3):
            (tmp_path / f"{number}.part").rename(tmp_path / f"new{number}.npy")

    assert take(tmp_path, drop, settle_ms=0.0).pixels[0, 0] in {0, 1, 2}


def test_a_file_that_is_written_over_in_place_is_a_new_frame(tmp_path: Path) -> None:
    (tmp_path / "latest.npy").write_bytes(npy(FRAME))

    async def drop() -> None:
        (tmp_path / "latest.npy").write_bytes(npy(FRAME + 7))

    assert take(tmp_path, drop).pixels[0, 0] == 7


def test_the_layers_number_chooses_the_file(tmp_path: Path) -> None:
    async def drop() -> None:
        for number in (11, 12, 13):
            (tmp_path / f"L{number:04d}_a.npy").write_bytes(npy(FRAME + number))

    assert take(tmp_path, drop, layer=11, pattern="L{layer:04d}_*.npy", layer_offset=1).pixels[0, 0] == 12


def test_colours_and_other_files_are_named_as_another_format(tmp_path: Path) -> None:
    async def drop() -> None:
        Image.new("RGB", (8, 6)).save(tmp_path / "picture.png")

    with pytest.raises(FrameFault, match="its pixels are colours") as caught:
        take(tmp_path, drop)
    assert caught.value.kind is FaultKind.FORMAT


def test_a_folder_that_is_gone_and_one_that_is_too_full_are_named(tmp_path: Path) -> None:
    with pytest.raises(FrameFault, match="the folder cannot be read"):
        take(tmp_path / "unmounted")
    for number in range(5):
        (tmp_path / str(number)).touch()
    with pytest.raises(FrameFault, match="more than 4 files"):
        take(tmp_path, files_max=4)


def test_a_frame_that_comes_after_its_limit_is_told_at_the_next_layer(tmp_path: Path) -> None:
    async def two_layers() -> None:
        source = FolderSource(Folder(directory=str(tmp_path), poll_ms=2.0, settle_ms=0.0))
        with pytest.raises(FrameFault, match="missing"):
            await source.frame(0, 0.05)
        (tmp_path / "late.npy").write_bytes(npy(FRAME))
        with pytest.raises(FrameFault, match="missing"):
            await source.frame(1, 0.05)

    with capture_logs() as lines:
        asyncio.run(two_layers())
    assert [(line["event"], line["layer"], line["file"]) for line in lines] == [("frame_late", 0, "late.npy")]


@pytest.mark.parametrize("pattern", ["{part}*.tif", "../*.tif", "{layer:05x!}*"])
def test_a_pattern_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"capture\.folder\.pattern"):
        FolderSource(Folder(directory=str(tmp_path), pattern=pattern))
