from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cosmic.errors import PartError, UsageError
from thermal.drawing import draw_layer
from thermal.part import Part


@pytest.mark.parametrize(("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_layer_is_drawn(gear: Part, tmp_path: Path, ending: str, begins: bytes) -> None:
    picture = tmp_path / f"cells{ending}"
    draw_layer(gear, 3, picture)
    content = picture.read_bytes()
    assert content.startswith(begins)
    assert len(content) > 5000


def test_what_cannot_be_drawn_is_refused(gear: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"'\.txt' are not drawn"):
        draw_layer(gear, 0, tmp_path / "cells.txt")
    with pytest.raises(PartError, match="layers 0 to 39"):
        draw_layer(gear, 40, tmp_path / "cells.png")
    with pytest.raises(PartError, match="cannot be written"):
        draw_layer(gear, 0, tmp_path / "none" / "cells.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r'pip install "cosmic-lpbf\[plot\]"'):
        draw_layer(gear, 0, tmp_path / "cells.png")
    assert list(tmp_path.iterdir()) == []
