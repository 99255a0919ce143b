"""The lock files: whoever installs from them with --require-hashes gets exactly what they pin, with any pip.

The pip of Debian 12 (23.0) takes `coverage[toml]` for another project than the pinned `coverage`. Where the lock
does not pin the extra as well it looks for the newest release, has no hash of it, and installs nothing at all: from
the day on which there is a release newer than the lock has.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^\]]+)\])?==")


def pinned(lock: Path) -> dict[str, set[str]]:
    """Return what the lock pins: each project's extras."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        match = PIN.match(line)
        if match:
            found.setdefault(canonicalize_name(match[1]), set()).update(
                (match[2] or "").split(",") if match[2] else ()
            )
    return found


def asked(pins: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the extras with which the pinned projects, as they are installed here, ask for one another."""
    found: dict[str, set[str]] = {}
    for project, extras in pins.items():
        try:
            wanted = requires(project) or []
        except PackageNotFoundError:  # pinned for another system or Python
            continue
        for text in wanted:
            requirement = Requirement(text)
            active = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            if active and requirement.extras:
                found.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-agent.lock", "requirements-dev.lock"])
def test_every_extra_that_a_pinned_project_asks_for_is_pinned_with_it(name: str) -> None:
    pins = pinned(ROOT / name)
    assert len(pins) > 10
    for project, extras in asked(pins).items():
        normal = {extra.replace("_", "-") for extra in pins.get(project, set())}
        assert {extra.replace("_", "-") for extra in extras} <= normal, (
            f"{name}: {project}[{','.join(extras)}] is asked for: make lock"
        )
