"""What Lambda says it bills: the REPORT line that it writes after every invocation.

A synchronous call brings its own (LogResult). Of all others it goes to the log group that `deploy --reports` made;
the coordinator reads it when a job is over. https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from cloud.aws.layout import log_group_name
from cloud.platforms.interface import Reported

REPORT = re.compile(
    r"^REPORT RequestId: (?P<request>\S+)\s+Duration: (?P<ms>[\d.]+) ms\s+Billed Duration: (?P<billed>\d+) ms"
    r"\s+Memory Size: (?P<memory>\d+) MB",
    re.MULTILINE,
)
LATE_MS = 5_000
"""Reports are looked for so long after the time asked for, ms: clocks differ, and they come late."""


def times_ms(tail: str) -> tuple[float, float]:
    """Return duration and billed duration in a LogResult (base64), ms; zeros where there are none."""
    found = REPORT.search(b64decode(tail).decode(errors="replace"))
    return (float(found["ms"]), float(found["billed"])) if found else (0.0, 0.0)


def add_up(lines: Iterable[str]) -> Reported:
    """Return the sum of all reports, each invocation once. 1,024 MB are billed as one GB."""
    found = {report["request"]: report for line in lines for report in REPORT.finditer(line)}
    seconds = [(int(report["billed"]) / 1e3, int(report["memory"]) / 1024) for report in found.values()]
    return Reported(
        requests=len(seconds), seconds=sum(s for s, _ in seconds), gb_seconds=sum(s * gb for s, gb in seconds)
    )


def read_reports(logs: Any, deployment: str, since_s: float, until_s: float) -> Reported:
    """Return what the log group says of invocations between two Unix times. Blocks; raises what boto3 does.

    The end is not sharp (LATE_MS).
    """
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group_name(deployment),
        startTime=int(since_s * 1e3) + 1,  # what ended in that very millisecond was in the report before
        endTime=int(until_s * 1e3) + LATE_MS,
        filterPattern='"REPORT RequestId"',
    )
    return add_up(event["message"] for page in pages for event in page["events"])
