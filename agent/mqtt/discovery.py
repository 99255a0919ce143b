"""Home Assistant finds the printer by one retained message: the device and a sensor for each value.

Source: Home Assistant, MQTT integration, device discovery payload (2024.11 and newer).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from agent.mqtt.topics import STATUS
from cosmic import __version__

SENSORS: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("state", "State", "state", "state", {}),
    ("job", "Job", "job", "job", {}),
    ("layers_done", "Layers done", "job", "layers_done", {"unit_of_measurement": "layers"}),
    ("layers", "Layers", "job", "layers", {"unit_of_measurement": "layers"}),
    ("job_fallbacks", "Fallbacks of the job", "job", "fallbacks", {"unit_of_measurement": "windows"}),
    ("layer_fallbacks", "Fallbacks of the last layer", "layer", "fallbacks", {"unit_of_measurement": "windows"}),
    ("uniformity", "Uniformity of the last layer", "layer", "uniformity", {"suggested_display_precision": 4}),
    ("link", "Link to the coordinator", "link", "link", {}),
    ("workers", "Workers", "workers", "workers", {"unit_of_measurement": "workers"}),
)
"""Of every sensor: its key, its name, the topic, the field, and more that Home Assistant is told."""


def discovery(prefix: str, base: str, printer: str) -> tuple[str, bytes]:
    """Return the topic and the payload of the discovery message.

    prefix: Home Assistant's discovery prefix. base: the printer's base topic.
    """
    # Home Assistant takes letters, digits, '-' and '_' only; the base topic keeps two printers apart.
    key = re.sub(r"[^a-zA-Z0-9_-]", "_", base)
    components = {
        sensor: {
            "platform": "sensor",
            "unique_id": f"{key}_{sensor}",
            "name": name,
            "state_topic": f"{base}/{topic}",
            "value_template": f"{{{{ value_json.{field} }}}}",
            **more,
        }
        for sensor, name, topic, field, more in SENSORS
    }
    payload = {
        "device": {
            "identifiers": [key],
            "name": printer,
            "manufacturer": "COSMIC",
            "model": "LPBF scan-order agent",
            "sw_version": __version__,
        },
        "origin": {"name": "cosmic-lpbf", "sw_version": __version__},
        "availability_topic": f"{base}/{STATUS}",
        "components": components,
    }
    return f"{prefix}/device/{key}/config", msgspec.json.encode(payload)
