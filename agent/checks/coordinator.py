"""The coordinator, asked for the job as a start would: address, certificate, token, version, part.

The job is closed as soon as the coordinator has said that it takes it. It may keep the part loaded for a while, as
it does after every job.
"""

from __future__ import annotations

import asyncio
import contextlib

from agent.checks.finding import Finding, Verdict
from agent.configuration import AgentConfiguration
from agent.uplink import Uplink
from cosmic.errors import RefusedError
from protocol.messages import CoordinatorMessage, JobReady, OpenJob, Progress
from thermal.part import Part

CHECK_JOB = "check"
LOADING_S = 5.0
"""How long the coordinator's loading is waited for, seconds; one that has begun to load has the part."""


class _Listener:
    """Waits for the word of the coordinator, and notes how far it loads."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.loading = ""

    def link_ready(self, ready: JobReady) -> None:
        self._say(f"has the part, {ready.cells} cells at most, and decides with {ready.engine}")

    def link_message(self, message: CoordinatorMessage) -> None:
        if isinstance(message, Progress):
            self.loading = f"has the part and still loads it: {message.done} of {message.total} {message.what}"

    def link_lost(self, cause: RefusedError) -> None:
        if not self.answer.done():
            self.answer.set_exception(cause)

    def _say(self, text: str) -> None:
        if not self.answer.done():
            self.answer.set_result(text)


async def check_coordinator(settings: AgentConfiguration, part: Part | None) -> Finding:
    """Open the job and close it again."""
    if not settings.uplink.url:
        return Finding(
            "coordinator",
            Verdict.WARNING,
            "none is configured: every cell comes from the fallback order",
            "set uplink.url and uplink.token_file",
        )
    if part is None:
        return Finding(
            "coordinator", Verdict.FAILED, "not asked: there is no part to ask for", "mend the part first"
        )
    opening = OpenJob(job=CHECK_JOB, part=part.digest, printer=settings.printer.name, rule=settings.uplink.rule)
    listener = _Listener()
    uplink = Uplink(settings.uplink, opening, listener)
    running = asyncio.create_task(uplink.run())
    try:
        try:
            text = await asyncio.wait_for(asyncio.shield(listener.answer), timeout=LOADING_S)
        except TimeoutError:
            if not listener.loading:
                raise
            text = listener.loading
        await uplink.close("checked")
    except RefusedError as refusal:
        remedy = refusal.remedy or "check uplink.url, the network, and that the coordinator runs"
        return Finding("coordinator", Verdict.FAILED, f"{settings.uplink.url}: {refusal.what}", remedy)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    secure = "" if settings.uplink.url.startswith("wss:") else "; the link is not encrypted (ws://)"
    return Finding("coordinator", Verdict.OK, f"{settings.uplink.url} {text}{secure}")
