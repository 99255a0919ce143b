from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.errors import ConfigurationError, PartError
from tests.thermal.outlines import geometry_of, warm
from thermal.operators import (
    block_name,
    block_ranges,
    block_set_folder,
    blockfiles,
    dense_bytes,
    dense_from_files,
    dense_in_memory,
    open_block,
    read_block_set,
    write_blocks,
)
from thermal.process import Process

PROCESS = Process()
GEOMETRY = geometry_of(np.random.default_rng(4).random((12, 15)) < 0.9, PROCESS, side=5)
DIGEST = "ab" * 32


@given(st.integers(1, 5000), st.data())
def test_ranges_cover_every_row_once_and_differ_by_one_at_most(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, min(n, 200)))
    ranges = block_ranges(n, count)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == n
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    sizes = {end - first for first, end in ranges}
    assert max(sizes) - min(sizes) <= 1
    assert len(ranges) == count


def test_names_are_those_of_the_documents() -> None:
    folder = block_set_folder(Path("part"), 0, (4, 1), "float64")
    assert folder / block_name(64, 0, 0) == Path(
        "part/operators/geometry-0000/float64-4x1/length-00064-block-0-0.npy"
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("blocks", [(1, 1), (4, 1), (2, 3)])
def test_mapped_blocks_give_what_matrices_in_memory_give(
    tmp_path: Path, blocks: tuple[int, int], precision: str
) -> None:
    write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS, blocks=blocks, precision=precision)
    mapped = dense_from_files(tmp_path, GEOMETRY, blocks, precision, DIGEST)
    held = dense_in_memory(GEOMETRY, PROCESS, blocks, precision)
    theta = warm(GEOMETRY.elements)
    for length in GEOMETRY.distinct_lengths:
        block = open_block(tmp_path, GEOMETRY, (length, 0, 0), blocks=blocks, precision=precision)
        assert isinstance(block, np.memmap)
        assert not block.flags.writeable
        difference = np.abs(mapped.apply(length, theta) - held.apply(length, theta)).max()
        assert difference <= (1e-9 if precision == "float64" else 1e-3)


def test_the_bytes_are_known_beforehand(tmp_path: Path) -> None:
    folder = write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS, blocks=(2, 2))
    files = list(folder.glob("*.npy"))
    assert len(files) == 4 * len(GEOMETRY.distinct_lengths)
    assert sum(np.load(file).nbytes for file in files) == dense_bytes(GEOMETRY)


def test_writing_goes_on_where_it_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockfiles, "PANEL_BYTES", 8 * GEOMETRY.elements * 10)  # panels of 10 rows
    seen: list[int] = []

    def stop(done: int, _total: int) -> None:
        seen.append(done)
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS, blocks=(2, 1), progress=stop)
    folder = block_set_folder(tmp_path, 0, (2, 1), "float64")
    assert not list(folder.glob("*.npy"))  # nothing incomplete under its name
    with pytest.raises(PartError):
        read_block_set(tmp_path, 0, (2, 1), "float64")

    again: list[int] = []
    write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS, blocks=(2, 1), progress=lambda done, _: again.append(done))
    assert again[0] > seen[-1]
    theta = warm(GEOMETRY.elements)
    mapped = dense_from_files(tmp_path, GEOMETRY, (2, 1))
    held = dense_in_memory(GEOMETRY, PROCESS)
    for length in GEOMETRY.distinct_lengths:
        assert np.abs(mapped.apply(length, theta) - held.apply(length, theta)).max() < 1e-9
    assert not list(folder.glob("*.partial"))


def test_blocks_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    folder = write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_blocks_of_another_part_are_refused(tmp_path: Path) -> None:
    write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
    with pytest.raises(PartError, match="another part"):
        write_blocks(tmp_path, "cd" * 32, GEOMETRY, PROCESS)
    with pytest.raises(PartError, match="another part"):
        dense_from_files(tmp_path, GEOMETRY, part_digest="cd" * 32)


def test_missing_truncated_and_foreign_blocks_are_named(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="no float64 operators in 1x1 blocks"):
        dense_from_files(tmp_path, GEOMETRY)
    folder = write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
    short, other, *_ = GEOMETRY.distinct_lengths
    file = folder / block_name(short, 0, 0)
    file.write_bytes(file.read_bytes()[:-100])
    np.save(folder / block_name(other, 0, 0), np.zeros((2, 2)))
    operator = dense_from_files(tmp_path, GEOMETRY)
    for length in (short, other):
        with pytest.raises(PartError, match=block_name(length, 0, 0)):
            operator.apply(length, warm(GEOMETRY.elements))


def test_an_archive_in_the_place_of_a_block_is_named(tmp_path: Path) -> None:
    folder = write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
    length = GEOMETRY.distinct_lengths[0]
    with (folder / block_name(length, 0, 0)).open("wb") as file:
        np.savez(file, values=np.zeros((2, 2)))
    with pytest.raises(PartError, match="an archive of arrays"):
        dense_from_files(tmp_path, GEOMETRY).apply(length, warm(GEOMETRY.elements))


def test_a_disk_without_room_is_refused_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockfiles, "SPARE_BYTES", 2**60)
    with pytest.raises(ConfigurationError, match="GB left"):
        write_blocks(tmp_path, DIGEST, GEOMETRY, PROCESS)
