"""The printer's driver: whether it could begin."""

from __future__ import annotations

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from thermal.part import Part


async def check_driver(settings: AgentConfiguration, part: Part | None) -> Finding:
    """Try what the driver needs before its first event."""
    del part
    return Finding("driver", Verdict.OK, f"{settings.printer.driver}")
