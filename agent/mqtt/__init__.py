"""The printer's status on an MQTT broker."""

from agent.mqtt.publisher import Publisher

__all__ = ["Publisher"]
