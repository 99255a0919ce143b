"""Reads the solids of a 3MF package (3MF core specification 1.3): meshes, components, build items, units.

With the standard library alone: the library that trimesh would need for it reads the whole document into a
tree. Extensions (materials, slices, production) are passed over.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np
from numpy.typing import NDArray

from cosmic.errors import GeometryError
from cosmic.undecodable import UNREADABLE_ARCHIVE

MM_PER_UNIT = {
    "micron": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0
}  # fmt: skip
MODEL_BYTES_MAX = 2 * 2**30
"""The model document, unpacked."""

TRIANGLES_MAX = 20_000_000
_DEPTH_MAX = 16
_MODEL = "3D/3dmodel.model"


@dataclass(slots=True)
class _Object:
    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
    components: list[tuple[str, NDArray[np.float64]]]


def read_3mf(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return corners and triangles of all items of the build: float64[v, 3] mm, int64[t, 3].

    Raises:
        GeometryError: the file is no 3MF package, its model is damaged, or it has nothing to build.
    """
    try:
        with zipfile.ZipFile(path) as package:
            name = _model_name(package)
            if package.getinfo(name).file_size > MODEL_BYTES_MAX:
                raise _damaged(path, f"its model has more than {MODEL_BYTES_MAX} bytes")
            with package.open(name) as stream:
                scale_mm, objects, items = _parse(stream, path)
    except OSError as error:
        raise GeometryError(
            f"the file cannot be read: {error.strerror or error}", where=str(path), remedy="check its name"
        ) from error
    except (*UNREADABLE_ARCHIVE, ParseError) as error:
        raise _damaged(path, f"the file is not a readable 3MF: {error}") from error
    vertices: list[NDArray[np.float64]] = []
    triangles: list[NDArray[np.int64]] = []
    for number, turn in items:
        _place(number, turn, objects, vertices, triangles, path, 0)
    if not triangles:
        raise GeometryError("the file holds no triangles", where=str(path), remedy="export a solid body again")
    return np.concatenate(vertices) * scale_mm, np.concatenate(triangles)


def _model_name(package: zipfile.ZipFile) -> str:
    names = package.namelist()
    if _MODEL in names:
        return _MODEL
    found = [name for name in names if name.lower().endswith(".model")]
    if not found:
        raise KeyError("there is no 3D model in the package")
    return found[0]


def _parse(
    stream: IO[bytes], path: Path
) -> tuple[float, dict[str, _Object], list[tuple[str, NDArray[np.float64]]]]:
    objects: dict[str, _Object] = {}
    items: list[tuple[str, NDArray[np.float64]]] = []
    vertices: list[tuple[float, float, float]] = []
    triangles: list[tuple[int, int, int]] = []
    components: list[tuple[str, NDArray[np.float64]]] = []
    scale_mm = 1.0
    stack: list[Element] = []
    # Expat itself refuses documents whose entities blow up (since 2.4.1); nothing external is fetched.
    for event, element in iterparse(stream, events=("start", "end")):  # noqa: S314
        kind = element.tag.rpartition("}")[2]
        if event == "start":
            stack.append(element)
            if kind == "model":
                unit = element.get("unit", "millimeter")
                if unit not in MM_PER_UNIT:
                    raise _damaged(path, f"the unit '{unit}' is not known")
                scale_mm = MM_PER_UNIT[unit]
            continue
        stack.pop()
        if kind == "vertex":
            vertices.append(
                (float(element.get("x", "nan")), float(element.get("y", "nan")), float(element.get("z", "nan")))
            )
        elif kind == "triangle":
            triangles.append(
                (int(element.get("v1", "-1")), int(element.get("v2", "-1")), int(element.get("v3", "-1")))
            )
        elif kind == "component":
            components.append((element.get("objectid", ""), _turn(element)))
        elif kind == "item":
            items.append((element.get("objectid", ""), _turn(element)))
        elif kind == "object":
            objects[element.get("id", "")] = _finished(vertices, triangles, components, path)
            vertices, triangles, components = [], [], []
        if stack:
            stack[-1].remove(element)  # what was read is not kept as a tree
    return scale_mm, objects, items


def _finished(
    vertices: list[tuple[float, float, float]],
    triangles: list[tuple[int, int, int]],
    components: list[tuple[str, NDArray[np.float64]]],
    path: Path,
) -> _Object:
    if len(triangles) > TRIANGLES_MAX:
        raise _damaged(path, f"an object has more than {TRIANGLES_MAX} triangles")
    corners = np.array(vertices, dtype=np.float64).reshape(-1, 3)
    faces = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    if not np.isfinite(corners).all():
        raise _damaged(path, "a corner is not a finite number")
    if faces.size and not (faces.min() >= 0 and faces.max() < len(corners)):
        raise _damaged(path, "a triangle names a corner that does not exist")
    return _Object(corners, faces, components)


def _turn(element: Element) -> NDArray[np.float64]:
    """Return the transform of a component or item: float64[4, 3], `p' = (p, 1) T`."""
    text = element.get("transform")
    if text is None:
        return np.vstack((np.eye(3), np.zeros(3)))
    values = np.array(text.split(), dtype=np.float64)
    if values.size != 12 or not np.isfinite(values).all():
        raise ValueError(f"the transform '{text[:60]}' is not twelve numbers")
    return values.reshape(4, 3)


def _place(
    number: str,
    turn: NDArray[np.float64],
    objects: dict[str, _Object],
    vertices: list[NDArray[np.float64]],
    triangles: list[NDArray[np.int64]],
    path: Path,
    depth: int,
) -> None:
    if number not in objects or depth > _DEPTH_MAX:
        raise _damaged(
            path, f"object '{number}' does not exist" if depth <= _DEPTH_MAX else "objects hold themselves"
        )
    found = objects[number]
    if len(found.triangles):
        first = sum(len(corners) for corners in vertices)
        vertices.append(found.vertices @ turn[:3] + turn[3])
        faces = found.triangles + first
        # A mirrored body is inside out.
        triangles.append(faces[:, ::-1] if np.linalg.det(turn[:3]) < 0 else faces)
        if sum(len(faces) for faces in triangles) > TRIANGLES_MAX:
            raise _damaged(path, f"the build has more than {TRIANGLES_MAX} triangles")
    for inner, inner_turn in found.components:
        joined = np.vstack((inner_turn[:3] @ turn[:3], inner_turn[3] @ turn[:3] + turn[3]))
        _place(inner, joined, objects, vertices, triangles, path, depth + 1)


def _damaged(path: Path, what: str) -> GeometryError:
    return GeometryError(what, where=str(path), remedy="export the 3MF file again, or export STL")
