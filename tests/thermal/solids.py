"""Solids for the tests of everything that reads geometry."""

from __future__ import annotations

from pathlib import Path

import trimesh


def write_stl(mesh: trimesh.Trimesh, path: Path, kind: str = "stl") -> Path:
    path.write_bytes(content if isinstance(content := mesh.export(file_type=kind), bytes) else content.encode())
    return path


def box(x: float, y: float, z: float, at: tuple[float, float, float] = (0, 0, 0)) -> trimesh.Trimesh:
    """A box with its lower corner at `at`."""
    mesh = trimesh.creation.box((x, y, z))
    mesh.apply_translation([at[0] + x / 2, at[1] + y / 2, at[2] + z / 2])
    return mesh
