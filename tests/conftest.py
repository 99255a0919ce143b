"""What many tests print: a small square part."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely.geometry import box

from thermal.building import build_from_outline
from thermal.part import Part, write_part
from thermal.process import Process


@pytest.fixture(scope="session")
def square() -> Part:
    """24 x 24 elements in 36 islands of 4 x 4, three layers, windows of 40 ms."""
    process = Process(element_m=2e-4, speed_m_s=0.08, spreading_s=1.0)
    return build_from_outline(box(0, 0, 4.8, 4.8), "square", process, layers=3, island_mm=0.8)


@pytest.fixture(scope="session")
def square_folder(square: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The square, written to a folder."""
    folder = tmp_path_factory.mktemp("parts") / "square"
    write_part(square, folder)
    return folder


FIRST = ("tests/test_demo.py", "tests/cloud/engines", "tests/cloud/aws", "tests/packaging", "tests/cloud/profiling")
"""Where the longest tests are: begun first, so that nobody waits for them alone at the end."""

TOGETHER = {"tests/cloud/engines/test_conformance.py": "ray", "tests/cloud/engines/test_ray.py": "ray"}
"""Files that share what is costly to start; every other file is a group of its own."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give whole files to the processes that tests run in (`-n 2 --dist loadgroup`), long ones first."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    root = config.rootpath

    def place(item: pytest.Item) -> str:
        return item.path.relative_to(root).as_posix()

    items.sort(key=lambda item: next((rank for rank, head in enumerate(FIRST) if place(item).startswith(head)), 99))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(place(item), place(item))))
