"""A real mosquitto for each test that asks for one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.mqtt.broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that is prepared and not yet started."""
    pytest.importorskip("aiomqtt", reason='aiomqtt is not installed: pip install "cosmic-lpbf[mqtt]"')
    if shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    found = Broker(tmp_path / "broker")
    try:
        yield found
    finally:
        found.kill()
