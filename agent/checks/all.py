"""All checks, in the order in which a start needs what they try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent.checks.broker import check_broker
from agent.checks.camera import check_camera
from agent.checks.clock import check_clock
from agent.checks.coordinator import check_coordinator
from agent.checks.disk import check_disk
from agent.checks.driver import check_driver
from agent.checks.finding import Finding, Verdict, look
from agent.checks.live_page import check_live_page
from agent.configuration import AgentConfiguration
from agent.part_source import find_part
from agent.uplink.credentials import read_token, tls_context
from thermal.part import Part

LIMIT_S = 30.0
"""Longest time that a check takes, seconds; the part has `printer.fetch_limit_s` more."""


async def check_all(settings: AgentConfiguration) -> AsyncIterator[Finding]:
    """Yield what every check finds, as it is found."""
    yield await look("clock", check_clock, LIMIT_S)
    yield await look("disk", lambda: check_disk(settings), LIMIT_S)
    found, part = await _part(settings)
    yield found
    yield await look("camera", lambda: check_camera(settings, part), LIMIT_S)
    yield await look("driver", lambda: check_driver(settings, part), LIMIT_S)
    yield await look("coordinator", lambda: check_coordinator(settings, part), LIMIT_S)
    yield await look("mqtt", lambda: check_broker(settings), LIMIT_S)
    yield await look("live page", lambda: check_live_page(settings), LIMIT_S)


async def _part(settings: AgentConfiguration) -> tuple[Finding, Part | None]:
    """Find the part, fetching it where a start would."""
    parts: list[Part] = []

    async def find() -> Finding:
        token, tls = read_token(settings.uplink), tls_context(settings.uplink)
        part = await asyncio.to_thread(find_part, settings, token, tls)
        await asyncio.to_thread(part.geometry_of, 0)
        parts.append(part)
        elements, cells = part.size_of(0)
        text = f"{part.name}, {part.layers} layers; the first has {elements} elements and {cells} cells"
        return Finding("part", Verdict.OK, text)

    found = await look("part", find, LIMIT_S + settings.printer.fetch_limit_s)
    return found, parts[0] if parts else None
