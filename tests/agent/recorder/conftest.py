"""A recording to look at: two layers of the square, decided by a coordinator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recordings import RecordedJob
from thermal.part import Part


@pytest.fixture(scope="module")
def recording_file(square: Part, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a whole recording."""
    return RecordedJob(square, tmp_path_factory.mktemp("recordings")).print()
