"""The broker of the MQTT tests serves these too."""

from tests.agent.mqtt.conftest import broker

__all__ = ["broker"]
