"""Reaching the broker: a silent name server is named in time, and nobody waits for its answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from agent.configuration import Mqtt
from agent.mqtt.connection import Connector, Will
from agent.names import Names


async def test_a_silent_name_server_is_named_with_the_limit() -> None:
    answers, asked = threading.Event(), []

    def silent(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        answers.wait(60.0)
        return []

    settings = Mqtt(host="broker.plant", answer_s=0.02)
    connector = Connector(settings, "press-1", lambda: Will("will", b"", retain=False), Names(silent))
    try:
        for _ in range(3):
            with pytest.raises(OSError, match=r"broker\.plant.*no name server has answered within 0\.02 s"):
                async with connector.connected():
                    raise AssertionError("there is no broker")
    finally:
        answers.set()
    assert asked == ["broker.plant"]
