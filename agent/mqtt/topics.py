"""The topics of a printer: `cosmic/<site>/<printer>/...`."""

from __future__ import annotations

from cosmic.errors import ConfigurationError

STATUS = "status"
"""The topic that says `online` or `offline`."""
EVENT = "event"
"""The topic of what happened; the only one that is not retained."""
LEVEL_CHARACTERS_MAX = 256
"""Longest name of a site or a printer in a topic, characters."""


def base_topic(site: str, printer: str) -> str:
    """Return the topic below which everything of `printer` is published. Raises ConfigurationError as `level`."""
    return f"cosmic/{level('mqtt.site', site)}/{level('printer.name', printer)}"


def level(setting: str, name: str) -> str:
    """Return `name`, which can be one level of a topic.

    Raises ConfigurationError naming the `setting` whose value cannot (MQTT 5, section 4.7).
    """
    why = _unfit(name)
    if why:
        raise ConfigurationError(
            f"{name!r} cannot be part of an MQTT topic",
            where=setting,
            why=why,
            remedy="take letters, digits, '-', '_' and '.'",
        )
    return name


def _unfit(name: str) -> str:
    """Return why `name` cannot be one level of a topic, empty where it can."""
    if not name:
        return "it is empty"
    if len(name) > LEVEL_CHARACTERS_MAX:
        return f"it has {len(name)} characters, at most {LEVEL_CHARACTERS_MAX} are taken"
    for character, meaning in (("+", "a wildcard"), ("#", "a wildcard"), ("/", "the mark between levels")):
        if character in name:
            return f"{character!r} is {meaning}"
    return "" if name.isprintable() else "it holds a character that cannot be printed"
