"""Platforms for tests: the paper's, with what a test does not want switched off or scaled to a small part."""

from __future__ import annotations

from typing import Any

import msgspec

from cloud.simulation.profile import Profile, read_profile


def quiet_profile(**changes: Any) -> Profile:
    """Return the paper's platform without chance evictions; windows of some 5 ms for a part of 900 elements."""
    quiet = {"cold_share": (0.0, 0.0, 0.0, 0.0), "product_bytes_s": 7e8, "product_p90_factor": 1.0}
    return msgspec.structs.replace(read_profile("paper"), **{**quiet, **changes})
