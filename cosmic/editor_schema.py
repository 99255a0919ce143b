"""The JSON schema of a configuration: editors complete, explain and check a TOML file by it as it is written.

Source: JSON Schema 2020-12; editors with Taplo or "Even Better TOML" read it from a `#:schema FILE` line.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cosmic.sections import sections


def editor_schema(model: type[msgspec.Struct], title: str) -> dict[str, Any]:
    """Return the schema of `model`, with the text of every section and value."""
    found = msgspec.json.schema(model)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = title
    for section in sections(model):
        definition = found["$defs"][section.model.__name__]
        definition["description"] = section.about
        for value in section.values:
            if value.about:
                definition["properties"][value.name]["description"] = value.about
    return found
