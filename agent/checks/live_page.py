"""The port of the live page: free, and its libraries installed."""

from __future__ import annotations

import asyncio
import errno

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from cosmic.errors import ConfigurationError
from cosmic.web.missing import check_libraries


async def check_live_page(settings: AgentConfiguration) -> Finding:
    """Listen where the page would be, and stop again."""
    http = settings.http
    if http.port is None:
        return Finding("live page", Verdict.OFF, "http.port is not set")
    check_libraries()
    try:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), http.host, http.port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ConfigurationError(
            "the port is taken" if taken else f"cannot listen: {error.strerror or error}",
            where=f"http, {http.host}:{http.port}",
            remedy="choose a free http.port, or stop who has it: an agent that runs has its own"
            if taken
            else "choose an address of this machine",
        ) from error
    server.close()
    await server.wait_closed()
    return Finding("live page", Verdict.OK, f"{http.host}:{http.port} is free")
