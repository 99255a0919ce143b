"""Plans in files: a plan itself, or what `cosmic-cloud plan --json` printed, whose chosen plan it then is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cloud.plans import Plan
from cosmic.errors import UsageError
from cosmic.undecodable import UNDECODABLE

AGAIN = "make it again: cosmic-cloud plan PART --json > plan.json"


def read_plan(file: Path) -> Plan:
    """Return the plan in `file`. Raises UsageError where there is none."""
    try:
        content: Any = msgspec.json.decode(file.read_bytes())
        if isinstance(content, dict) and "chosen" in content:
            chosen = content["chosen"]
            content = chosen.get("plan") if isinstance(chosen, dict) else None
            if content is None:
                raise UsageError("no plan was found feasible", where=str(file), remedy="see its remedies")
        return msgspec.convert(content, Plan)
    except OSError as error:
        raise UsageError(f"there is no plan: {error.strerror}", where=str(file), remedy=AGAIN) from error
    except UNDECODABLE as error:
        raise UsageError(f"is no plan: {error}", where=str(file), remedy=AGAIN) from error
