"""A name that cannot stand in a topic is refused, and the setting named."""

from __future__ import annotations

import pytest

from agent.mqtt.topics import base_topic
from cosmic.errors import ConfigurationError


def test_a_printers_topics_name_site_and_printer() -> None:
    assert base_topic("hall-2", "M290 äöü.1") == "cosmic/hall-2/M290 äöü.1"


@pytest.mark.parametrize("name", ["", "a+b", "#", "a/b", "a\x00b", "a\nb", "x" * 257])
@pytest.mark.parametrize("setting", ["mqtt.site", "printer.name"])
def test_a_name_with_a_wildcard_or_a_level_is_refused_by_name(name: str, setting: str) -> None:
    names = {"mqtt.site": "site", "printer.name": "printer"} | {setting: name}
    with pytest.raises(ConfigurationError, match=setting) as caught:
        base_topic(names["mqtt.site"], names["printer.name"])
    assert caught.value.exit_code == 2
