"""Connects the page to an agent: its notes among the observers, its view on the status, its server."""

from __future__ import annotations

from agent.configuration import AgentConfiguration
from agent.driver import Driver
from agent.http.live import Live
from agent.http.page import Page
from agent.http.view import Recording, View
from agent.printing import Printing
from agent.status import Status
from thermal.part import Part


def page_beside(
    settings: AgentConfiguration,
    part: Part,
    driver: Driver,
    printing: Printing,
    status: Status,
    recording: Recording | None,
) -> Page:
    """Return the page of an agent, not serving yet.

    Raises ConfigurationError for a token, certificate or address that cannot be used.
    """
    live = Live(driver.windows_s, settings.printer.guard_ms / 1e3)
    view = View(
        settings.printer.name,
        part,
        settings.printer.guard_ms,
        live,
        status,
        waiting=lambda: printing.keeper.buffered,
        recording=recording,
    )
    page = Page(settings.http, view, part)
    printing.observers.add(live)
    return page
