from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cosmic.errors import PartError
from tests.thermal.test_part import small_part
from thermal.part import load_part, verify_part, write_part
from thermal.shelf import GeometryFiles


def test_loading_reads_the_manifest_alone(tmp_path: Path) -> None:
    write_part(small_part(), tmp_path / "p")
    file = tmp_path / "p" / "geometry-0001.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    part = load_part(tmp_path / "p")
    assert part.size_of(2) == (56, 4)
    assert part.geometry_of(0).elements == 64
    assert part.largest.number == 0
    with pytest.raises(PartError, match=r"geometry-0001\.npz.*SHA-256"):
        part.geometry_of(2)
    with pytest.raises(PartError, match=r"geometry-0001\.npz.*SHA-256"):
        verify_part(tmp_path / "p")


def test_geometries_are_a_sequence(tmp_path: Path) -> None:
    geometries = write_part(small_part(), tmp_path / "p").geometries
    assert len(geometries) == 2
    assert [geometry.number for geometry in geometries] == [0, 1]
    assert [geometry.number for geometry in geometries[:1]] == [0]
    assert geometries[-1].number == 1
    with pytest.raises(IndexError):
        geometries[2]


def test_only_so_much_is_held_and_the_last_used_stays(tmp_path: Path) -> None:
    part = write_part(small_part(), tmp_path / "p")
    plenty = GeometryFiles(tmp_path / "p", part.manifest)
    assert plenty[0] is plenty[0]
    scarce = GeometryFiles(tmp_path / "p", part.manifest, bytes_held=1)
    first = scarce[0]
    assert scarce[0] is first
    assert scarce[1] is scarce[1]
    assert scarce[0] is not first


def test_threads_share_one_reading(tmp_path: Path) -> None:
    part = write_part(small_part(), tmp_path / "p")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(part.geometry_of, [0, 2] * 20))
    assert len({id(geometry) for geometry in found}) == 2


def test_a_part_without_its_disk_is_refused_where_it_is_used(tmp_path: Path) -> None:
    part = write_part(small_part(), tmp_path / "p")
    (tmp_path / "p" / "geometry-0000.npz").unlink()
    with pytest.raises(PartError, match="cannot be read"):
        part.geometry_of(0)
