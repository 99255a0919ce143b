# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent config`: the configuration printed, checked, and shown as it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmic.config_commands import config_app

if TYPE_CHECKING:
    from agent.configuration import AgentConfiguration


def _model() -> type[AgentConfiguration]:
    from agent.configuration import AgentConfiguration

    return AgentConfiguration


def _check(settings: AgentConfiguration) -> None:
    """Check the files that the settings name, and the MQTT topics."""
    from agent.mqtt import Publisher
    from agent.sparkplug import SparkplugNode
    from agent.status import Status
    from agent.uplink.credentials import read_token, tls_context

    read_token(settings.uplink)
    tls_context(settings.uplink)
    if settings.mqtt.host:
        Publisher(settings.mqtt, settings.printer.name, Status())
        if settings.mqtt.sparkplug:
            SparkplugNode(settings.mqtt, settings.printer.name, Status())


app = config_app("cosmic-agent", "agent.toml", _model, _check)
