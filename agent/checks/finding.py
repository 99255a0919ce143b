"""What a check found."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cosmic.errors import CosmicError


class Verdict(enum.Enum):
    """How it stands."""

    OK = "ok"
    """Works."""
    WARNING = "warning"
    """A start goes on without it, with less."""
    FAILED = "failed"
    """A start would fail, or print without what is configured."""
    OFF = "off"
    """Not configured: nothing was tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried (`name`), how it stands, what was seen (`text`), and what to do about it (`remedy`)."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""
    seconds: float = 0.0


Check = Callable[[], Awaitable[Finding]]


async def look(name: str, check: Check, limit_s: float) -> Finding:
    """Return what `check` finds, at most `limit_s` seconds later: an error is a finding, and so is silence."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    try:
        found = await asyncio.wait_for(check(), timeout=limit_s)
    except CosmicError as error:
        found = failed(name, error)
    except TimeoutError:
        found = Finding(name, Verdict.FAILED, f"no answer within {limit_s:g} s", "see whether it hangs")
    except OSError as error:
        found = Finding(name, Verdict.FAILED, str(error), "mend that and check again")
    return Finding(found.name, found.verdict, found.text, found.remedy, round(loop.time() - began_s, 3))


def failed(name: str, error: CosmicError) -> Finding:
    """Return the finding of an error."""
    where = f"{error.where}: " if error.where else ""
    why = f" ({error.why})" if error.why else ""
    return Finding(name, Verdict.FAILED, f"{where}{error.what}{why}", error.remedy)
