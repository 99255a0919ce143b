"""Our bill beside the platform's: after every job, of all that ran since the one before.

Reports of a platform come some seconds after what they are about, so the job's own line does not wait for them.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
import structlog

from cloud.bills import Line, Meter
from cloud.platforms import Platform, PlatformError, Reported, ReportsUsage

ASKED_EVERY_S = 1.0
PATIENCE_S = 20.0
"""Longest wait for the report of every invocation, seconds."""


class BillComparison:
    """Compares what `meter` counted with what `platform` reports, where it does."""

    def __init__(self, platform: Platform, meter: Meter, log: structlog.stdlib.BoundLogger) -> None:
        self._platform = platform if isinstance(platform, ReportsUsage) else None
        self._meter = meter
        self._log = log
        self._since_s = time.time()
        self._before = Line()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, job: str) -> None:
        """Compare in the background, and log `bill_compared`. Does nothing where the platform does not report."""
        if self._platform is None:
            return
        ours, self._before = self._usage(), msgspec.structs.replace(self._meter.everything)
        since_s, self._since_s = self._since_s, time.time()
        if ours.requests:
            task = asyncio.get_running_loop().create_task(self._compare(self._platform, job, ours, since_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for comparisons under way."""
        await asyncio.gather(*self._tasks)

    def _usage(self) -> Line:
        everything, before = self._meter.everything, self._before
        values = {name: getattr(everything, name) - getattr(before, name) for name in Line.__struct_fields__}
        return Line(**values)

    async def _compare(self, platform: ReportsUsage, job: str, ours: Line, since_s: float) -> None:
        until_s = time.time()
        theirs: Reported | None = Reported()
        for _ in range(round(PATIENCE_S / ASKED_EVERY_S)):
            try:
                theirs = await platform.reported(since_s, until_s)
            except PlatformError as error:
                self._log.warning("bill_not_compared", job=job, **error.as_dict())
                return
            if theirs is None:  # it was not set up to report
                return
            if theirs.requests >= ours.requests:
                break
            await asyncio.sleep(ASKED_EVERY_S)
        assert theirs is not None
        self._log.info("bill_compared", job=job, **compared(ours, theirs))


def compared(ours: Line, theirs: Reported) -> dict[str, float | int | None]:
    """Return both and the difference, percent of theirs; None where they report nothing."""
    difference = 100.0 * (ours.gb_seconds / theirs.gb_seconds - 1.0) if theirs.gb_seconds else None
    return {
        "requests": ours.requests,
        "requests_reported": theirs.requests,
        "gb_seconds": round(ours.gb_seconds, 4),
        "gb_seconds_reported": round(theirs.gb_seconds, 4),
        "difference_percent": None if difference is None else round(difference, 2),
    }
