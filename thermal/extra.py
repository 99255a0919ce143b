"""Says what to install where the geometry libraries of the `cloud` extra are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from cosmic.errors import UsageError


def geometry_library(name: str) -> ModuleType:
    """Return `trimesh`, `trimesh.<module>` or `shapely`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"preparing parts from geometry needs {name.partition('.')[0]}, which is not installed",
            remedy='pip install "cosmic-lpbf[cloud]"',
        ) from error
