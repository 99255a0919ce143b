from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trimesh

from cosmic.errors import GeometryError, UsageError
from tests.thermal.solids import box, write_stl
from thermal.extra import geometry_library
from thermal.solid import read_solid


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_binary_and_ascii_files_are_read(tmp_path: Path, kind: str) -> None:
    solid = read_solid(write_stl(box(20, 10, 2, at=(5, 6, 7)), tmp_path / "bar.stl", kind))
    assert solid.name == "bar"
    assert solid.height_mm == pytest.approx(2)
    assert solid.bounds_mm == pytest.approx((5, 6, 25, 16))


def test_the_solid_is_put_on_the_plate(tmp_path: Path) -> None:
    solid = read_solid(write_stl(box(20, 10, 2, at=(0, 0, -30)), tmp_path / "bar.stl"))
    assert solid.mesh.bounds[0][2] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("units", "size"), [("mm", 20.0), ("cm", 2.0), ("m", 0.02), ("inch", 20 / 25.4)])
def test_units_that_are_told_are_taken(tmp_path: Path, units: str, size: float) -> None:
    solid = read_solid(write_stl(box(size, size, size), tmp_path / "cube.stl"), units)
    assert solid.height_mm == pytest.approx(20, rel=1e-6)


@pytest.mark.parametrize(
    ("size", "guess", "flag"), [(0.05, "metres", "--units m"), (2.0, "inches", "--units inch")]
)
def test_other_units_by_the_look_of_it_are_refused_with_the_flag(
    tmp_path: Path, size: float, guess: str, flag: str
) -> None:
    file = write_stl(box(size, size, size / 2), tmp_path / "cube.stl")
    with pytest.raises(GeometryError, match=f"in {guess} by the look of it") as refused:
        read_solid(file)
    assert flag in refused.value.remedy
    assert read_solid(file, "mm").height_mm == pytest.approx(size / 2, rel=1e-5)


def test_unknown_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no unit 'ell'"):
        read_solid(tmp_path / "any.stl", "ell")


def test_a_missing_empty_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="No such file"):
        read_solid(tmp_path / "none.stl")
    (tmp_path / "empty.stl").touch()
    with pytest.raises(GeometryError, match="the file is empty"):
        read_solid(tmp_path / "empty.stl")
    (tmp_path / "noise.stl").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(GeometryError, match=r"noise.stl"):
        read_solid(tmp_path / "noise.stl")
    whole = write_stl(box(20, 10, 2), tmp_path / "cut.stl").read_bytes()
    (tmp_path / "cut.stl").write_bytes(whole[:-60])
    with pytest.raises(GeometryError, match=r"cut.stl"):
        read_solid(tmp_path / "cut.stl")
    (tmp_path / "part.step").write_text("ISO-10303-21;")
    with pytest.raises(GeometryError, match=r"'\.step' is not known"):
        read_solid(tmp_path / "part.step")


def test_a_surface_with_a_hole_is_refused(tmp_path: Path) -> None:
    mesh = box(20, 10, 2)
    mesh.update_faces([False] + [True] * (len(mesh.faces) - 1))
    with pytest.raises(GeometryError, match="not watertight"):
        read_solid(write_stl(mesh, tmp_path / "open.stl"))


def test_a_solid_without_volume_is_refused(tmp_path: Path) -> None:
    there = [[0, 0, 0], [20, 0, 0], [0, 20, 0]]
    sheet = trimesh.Trimesh(vertices=there, faces=[[0, 1, 2], [0, 2, 1]], process=False)
    with pytest.raises(GeometryError, match="no volume"):
        read_solid(write_stl(sheet, tmp_path / "sheet.stl"))


def test_triangles_that_look_inside_are_turned(tmp_path: Path) -> None:
    mesh = box(20, 10, 2)
    mesh.invert()
    assert read_solid(write_stl(mesh, tmp_path / "inside.stl")).mesh.volume == pytest.approx(400, rel=1e-5)
    mixed = box(20, 10, 2)
    mixed.faces[3] = mixed.faces[3][::-1]
    assert read_solid(write_stl(mixed, tmp_path / "mixed.stl")).mesh.volume == pytest.approx(400, rel=1e-5)


def test_a_solid_larger_than_the_plate_is_refused(tmp_path: Path) -> None:
    file = write_stl(box(260, 100, 2), tmp_path / "plank.stl")
    with pytest.raises(GeometryError, match="260 x 100 x 2 mm") as refused:
        read_solid(file)
    assert "250 x 250 x 300 mm" in refused.value.why
    assert read_solid(file, plate_mm=(300, 300, 300)).height_mm == pytest.approx(2)


def test_missing_libraries_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(UsageError, match=r'pip install "cosmic-lpbf\[cloud\]"'):
        geometry_library("trimesh")
