from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosmic.errors import GeometryError, UsageError
from tests.thermal.buildfiles import Drawn, ascii_file, put_file, square
from tests.thermal.solids import box, write_stl
from thermal.process import Process
from thermal.sources import open_source
from thermal.sources.buildfiles import BuildFileSource
from thermal.sources.masks import MaskSource
from thermal.sources.solids import SolidSource


def test_the_reader_is_chosen_by_content_where_it_says_more_than_the_suffix(tmp_path: Path) -> None:
    build = ascii_file([Drawn(0.05, [(1, 1, square(0, 0, 10))])])
    assert isinstance(open_source(put_file(tmp_path / "part.txt", build), Process()), BuildFileSource)
    np.save(tmp_path / "mask.npy", np.ones((4, 4), dtype=np.bool_))
    (tmp_path / "mask.npy").rename(tmp_path / "mask.bin")
    assert isinstance(open_source(tmp_path / "mask.bin", Process()), MaskSource)
    solid = write_stl(box(20, 20, 1), tmp_path / "box.STL")
    assert isinstance(open_source(solid, Process()), SolidSource)


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"'\.step' is not known.*3mf"):
        open_source(put_file(tmp_path / "part.step", b"ISO-10303-21;"), Process())
    with pytest.raises(GeometryError, match="No such file"):
        open_source(tmp_path / "none.stl", Process())


def test_units_belong_to_stl_files(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.ones((4, 4), dtype=np.bool_))
    with pytest.raises(UsageError, match="only STL files"):
        open_source(tmp_path / "mask.npy", Process(), units="mm")
