"""Finding parts by digest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import structlog

from cloud.parts import PartLibrary, UnknownPart
from thermal.part import Part


async def test_part_is_found_in_a_folder_of_parts_and_as_the_folder_itself(
    part: Part, parts_directory: Path
) -> None:
    assert await PartLibrary(parts_directory).folder_of(part.digest) == part.folder
    assert part.folder is not None
    assert await PartLibrary(part.folder).folder_of(part.digest) == part.folder


async def test_part_added_moved_and_removed_is_noticed(part: Part, tmp_path: Path) -> None:
    library = PartLibrary(tmp_path / "parts")
    with pytest.raises(UnknownPart):
        await library.folder_of(part.digest)
    assert part.folder is not None
    first, second = tmp_path / "parts" / "first", tmp_path / "parts" / "second"
    shutil.copytree(part.folder, first, ignore=shutil.ignore_patterns("operators"))
    assert await library.folder_of(part.digest) == first
    first.rename(second)
    assert await library.folder_of(part.digest) == second
    shutil.rmtree(second)
    with pytest.raises(UnknownPart):
        await library.folder_of(part.digest)


async def test_damaged_part_is_named_in_the_log_and_passed_over(
    part: Part, parts_directory: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "parts"
    shutil.copytree(parts_directory, directory, ignore=shutil.ignore_patterns("operators"))
    (directory / "damaged").mkdir()
    (directory / "damaged" / "part.json").write_text("{")
    (directory / ".being-written").mkdir()
    (directory / "note.txt").write_text("not a part")
    with structlog.testing.capture_logs() as logs:
        assert await PartLibrary(directory).folder_of(part.digest) == directory / "plate"
    assert [line["folder"] for line in logs] == [str(directory / "damaged")]
