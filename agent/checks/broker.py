"""The MQTT broker: reached, logged in, and allowed to publish. What stands on it is not touched."""

from __future__ import annotations

import uuid

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from agent.mqtt.connection import QOS, Connector, Will
from agent.mqtt.topics import base_topic
from cosmic.errors import ConfigurationError

CHECK_TOPIC = "check"
"""Below the printer's topics, not retained: who listens sees that somebody checked."""


async def check_broker(settings: AgentConfiguration) -> Finding:
    """Connect under a name of its own, so that an agent that prints is not pushed off, publish, and leave."""
    mqtt = settings.mqtt
    if not mqtt.host:
        return Finding("mqtt", Verdict.OFF, "no broker is configured")
    topic = f"{base_topic(mqtt.site, settings.printer.name)}/{CHECK_TOPIC}"
    connector = Connector(mqtt, f"cosmic-check-{uuid.uuid4().hex[:8]}", lambda: Will(topic, b"", retain=False))
    try:
        async with connector.connected() as client:
            await client.publish(topic, b"", qos=QOS)
    except connector.failures as error:
        raise ConfigurationError(
            f"{error}" or type(error).__name__,
            where=f"mqtt, broker {connector.address}",
            remedy="check host, port, TLS, user and password; the broker must let it publish below "
            f"{base_topic(mqtt.site, settings.printer.name)}/",
        ) from error
    encrypted = "TLS" if mqtt.tls else "not encrypted"
    return Finding("mqtt", Verdict.OK, f"{connector.address} takes messages, {encrypted}")
