from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cosmic.errors import GeometryError
from tests.thermal.solids import box
from thermal.building import build_part
from thermal.process import Process
from thermal.readers.threemf import read_3mf
from thermal.solid import read_solid

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"


def mesh_xml(side: float = 10.0, height: float = 1.0) -> str:
    mesh = box(side, side, height)
    corners = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in mesh.vertices.tolist())
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh.faces.tolist())
    return f"<mesh><vertices>{corners}</vertices><triangles>{faces}</triangles></mesh>"


def package(path: Path, resources: str, build: str, unit: str = 'unit="millimeter"') -> Path:
    model = (
        f'<?xml version="1.0" encoding="UTF-8"?><model {unit} xmlns="{CORE}">'
        f"<resources>{resources}</resources><build>{build}</build></model>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("3D/3dmodel.model", model)
    return path


OBJECT = f'<object id="1" type="model">{mesh_xml()}</object>'


def test_a_solid_is_read_in_its_own_units(tmp_path: Path) -> None:
    file = package(tmp_path / "box.3mf", OBJECT, '<item objectid="1"/>')
    assert read_solid(file).bounds_mm == pytest.approx((0, 0, 10, 10))
    inches = package(tmp_path / "inch.3mf", OBJECT, '<item objectid="1"/>', 'unit="inch"')
    assert read_solid(inches, plate_mm=(300, 300, 300)).bounds_mm == pytest.approx((0, 0, 254, 254))
    part = build_part(file, Process(element_m=0.5e-3))
    assert (part.name, part.layers, part.geometry_of(0).elements) == ("box", 20, 400)


def test_components_and_items_are_placed_by_their_transforms(tmp_path: Path) -> None:
    twice = (
        '<object id="2"><components><component objectid="1"/>'
        '<component objectid="1" transform="1 0 0 0 1 0 0 0 1 20 0 0"/></components></object>'
    )
    # Mirrored at x = 0 and moved up: the bodies must not be inside out.
    file = package(
        tmp_path / "two.3mf", OBJECT + twice, '<item objectid="2" transform="-1 0 0 0 1 0 0 0 1 0 5 7"/>'
    )
    solid = read_solid(file)
    assert solid.bounds_mm == pytest.approx((-30, 5, 0, 15))
    assert float(solid.mesh.volume) == pytest.approx(200)


@pytest.mark.parametrize(
    ("resources", "build", "says"),
    [
        (OBJECT, "", "holds no triangles"),
        ("", "", "holds no triangles"),
        ('<object id="1"><mesh><vertices/><triangles/></mesh></object>', '<item objectid="1"/>', "no triangles"),
        (OBJECT, '<item objectid="9"/>', "object '9' does not exist"),
        (OBJECT, '<item objectid="1" transform="1 0 0"/>', "not twelve numbers"),
        (OBJECT.replace('v1="0"', 'v1="99"'), '<item objectid="1"/>', "corner that does not exist"),
        (OBJECT.replace('x="0.0"', 'x="nan"'), '<item objectid="1"/>', "not a finite number"),
        (OBJECT.replace('x="0.0"', 'x="wide"'), '<item objectid="1"/>', "not a readable 3MF"),
        (OBJECT.replace("</mesh>", ""), '<item objectid="1"/>', "not a readable 3MF"),
        ('<object id="1"><components><component objectid="1"/></components></object>', '<item objectid="1"/>',
         "hold themselves"),
    ],
)  # fmt: skip
def test_a_damaged_or_empty_package_is_refused(tmp_path: Path, resources: str, build: str, says: str) -> None:
    file = package(tmp_path / "part.3mf", resources, build)
    with pytest.raises(GeometryError, match=says) as refused:
        read_3mf(file)
    assert refused.value.remedy


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part.3mf").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(GeometryError, match="not a readable 3MF"):
        read_3mf(tmp_path / "part.3mf")
    with zipfile.ZipFile(tmp_path / "other.3mf", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(GeometryError, match="no 3D model"):
        read_3mf(tmp_path / "other.3mf")
    with pytest.raises(GeometryError, match="unit 'ell'"):
        read_3mf(package(tmp_path / "ell.3mf", OBJECT, '<item objectid="1"/>', 'unit="ell"'))
