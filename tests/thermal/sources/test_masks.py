from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cosmic.errors import GeometryError
from thermal.building import build_part
from thermal.process import Process
from thermal.sources.masks import MaskSource

COARSE = Process(element_m=0.5e-3)


def saved(path: Path, mask: NDArray[np.generic]) -> Path:
    if path.suffix == ".npy":
        np.save(path, mask)
    else:
        Image.fromarray((np.asarray(mask) * 255).astype(np.uint8)).save(path)
    return path


def corner() -> NDArray[np.bool_]:
    mask = np.ones((8, 12), dtype=np.bool_)
    mask[:3, 4:] = False
    return mask


def test_a_pixel_is_an_element(tmp_path: Path) -> None:
    part = build_part(saved(tmp_path / "corner.npy", corner()), COARSE, layers=5)
    geometry = part.geometry_of(0)
    assert (part.layers, len(part.geometries), geometry.elements) == (5, 1, int(corner().sum()))
    assert geometry.dx_m == 0.5e-3
    assert set(geometry.row[geometry.col > 3].tolist()) == {3, 4, 5, 6, 7}


def test_a_picture_is_seen_from_above(tmp_path: Path) -> None:
    drawn = build_part(saved(tmp_path / "corner.png", corner()[::-1]), COARSE, layers=5)
    stored = build_part(saved(tmp_path / "corner.npy", corner()), COARSE, layers=5)
    assert drawn.digest == stored.digest


def test_stacks_and_folders_have_a_mask_a_layer(tmp_path: Path) -> None:
    stack = np.stack([corner(), corner(), ~corner()])
    part = build_part(saved(tmp_path / "stack.npy", stack), COARSE)
    assert part.manifest.layers == (0, 0, 1)
    folder = tmp_path / "stack"
    folder.mkdir()
    for number, mask in zip((2, 9, 10), stack, strict=True):  # by number, not by letter
        saved(folder / f"layer{number}.png", mask[::-1])
    assert build_part(folder, COARSE).digest == part.digest
    assert MaskSource(folder, 0.5, layers=2).layers == 2


def test_numbers_0_and_1_are_a_mask(tmp_path: Path) -> None:
    part = build_part(saved(tmp_path / "corner.npy", corner().astype(np.uint8)), COARSE)
    assert part.geometry_of(0).elements == int(corner().sum())


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((4, 4), dtype=np.bool_), "the mask is empty"),
        (np.zeros((0, 4), dtype=np.bool_), "the mask is empty"),
        (np.ones(16, dtype=np.bool_), r"shape \(16,\)"),
        (np.ones((1, 1, 4, 4), dtype=np.bool_), r"shape \(1, 1, 4, 4\)"),
        (np.ones((4, 4)), "dtype float64"),
        (np.full((4, 4), 2), "other values than 0 and 1"),
        (np.stack([corner(), np.zeros_like(corner())]), "mask of layer 1 is empty"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, mask: NDArray[np.generic], says: str) -> None:
    with pytest.raises(GeometryError, match=says) as refused:
        build_part(saved(tmp_path / "mask.npy", mask), COARSE)
    assert refused.value.remedy


def test_masks_of_other_sizes_in_a_folder_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "1.npy", corner())
    saved(tmp_path / "2.npy", corner()[:, :-1])
    with pytest.raises(GeometryError, match=r"2\.npy.*shape \(8, 11\).*\(8, 12\)"):
        build_part(tmp_path, COARSE)


def test_damaged_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="no masks"):
        build_part(tmp_path, COARSE)
    whole = saved(tmp_path / "a.png", corner()).read_bytes()
    (tmp_path / "a.png").write_bytes(whole[:60])
    with pytest.raises(GeometryError, match=r"a\.png: the picture cannot be read"):
        build_part(tmp_path / "a.png", COARSE)
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(GeometryError, match=r"b\.npy: the mask cannot be read"):
        build_part(tmp_path / "b.npy", COARSE)
