"""Puts a replay together from the agent's own parts, and runs it on its own clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from agent.configuration import AgentConfiguration, Capture, Fallback, Printer, Simulated, Uplink
from agent.keeper import Handover
from agent.observers import HandedOver, Happening, JobEnded, Observers, WindowEnded, now_s
from agent.printing import Printing
from agent.recorder.errors import RecordingError
from agent.recorder.reading import Recording
from agent.replay.clock import ReplayLoop
from agent.replay.compare import Comparison, compare
from agent.replay.faults import Faults
from agent.replay.gate import LinkGate
from agent.replay.ladder import RecordedLadder
from agent.replay.offline import OfflineDecider
from agent.replay.printer import RecordedCamera, RecordedPrinter
from agent.replay.script import Script, script_of
from agent.uplink import Uplink as RealUplink
from cosmic.errors import RefusedError
from fallback import make_ladder
from protocol.messages import OpenJob
from thermal.part import Part

FAR_MS = 1e9
"""A limit that the recorded times keep anyway, ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How a job is replayed.

    Attributes:
        speed: how many times faster than recorded.
        against: address of the coordinator and how to get there; None: SmartScan in this process.
        printer: name at the coordinator, unset: the recorded one.
        rule: SmartScan's rule, unset: the recorded one.
        wait: hold the clock for decisions that had come in time, so that only the order is compared.
        patience_s: for how long, real seconds.
        faults: what is made worse than it was.
        seed: of the added faults.
    """

    speed: float = 1.0
    against: Uplink | None = None
    printer: str = ""
    rule: str = ""
    wait: bool = False
    patience_s: float = 10.0
    faults: Faults = field(default_factory=Faults)
    seed: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A replay and how it compares. Times in seconds, of the recording and of the clock on the wall."""

    comparison: Comparison
    recorded_s: float
    wall_s: float
    held_s: float
    speed: float
    left_out: list[int]


def replay(
    recording: Recording, part: Part, choices: Choices, told: Callable[[Happening], None] = lambda _happening: None
) -> Outcome:
    """Print the job again and compare; `told` hears what happens meanwhile.

    Raises RecordingError when it cannot be printed again, RefusedError when the coordinator does not decide.
    """
    script = script_of(recording)
    _check_part(recording, script, part)
    began_s = time.monotonic()

    def make_loop() -> ReplayLoop:
        return ReplayLoop(script.begin_s, choices.speed, choices.patience_s)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, ReplayLoop)
        heard = runner.run(_print(recording, script, part, choices, loop, told))
        recorded_s, held_s = heard.ended_s - script.begin_s, loop.held_s
    rule = choices.rule or _recorded(recording, "uplink", "rule", None) or "input"
    return Outcome(
        comparison=compare(recording, script, part, heard.handovers, heard.causes, rule),
        recorded_s=round(recorded_s, 3),
        wall_s=round(time.monotonic() - began_s, 3),
        held_s=round(held_s, 3),
        speed=choices.speed,
        left_out=script.left_out,
    )


async def _print(
    recording: Recording,
    script: Script,
    part: Part,
    choices: Choices,
    loop: ReplayLoop,
    told: Callable[[Happening], None],
) -> _Heard:
    settings = _settings(recording, script, choices)
    named = settings.fallback.order
    ladder = make_ladder([named] if isinstance(named, str) else named, settings.fallback.seed)
    printer = RecordedPrinter(script, part, loop, settings.printer.guard_ms / 1e3, wait=choices.wait)
    camera = RecordedCamera(recording, script, printer)
    heard = _Heard(told)
    printing = Printing(settings, part, printer, camera, RecordedLadder(script, ladder), Observers(heard))
    gate = LinkGate(script, printer, loop, choices.faults, wait=choices.wait, seed=choices.seed)
    gate.listener = printing.coordinator
    gate.decider = _decider(recording, script, part, settings, gate)
    printing.coordinator.uplink = gate  # type: ignore[assignment]
    running = asyncio.create_task(printing.run())
    stopping: list[asyncio.Future[Any]] = [running, gate.failed]
    await asyncio.wait(stopping, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise _unreachable(gate.failed.result(), settings.uplink.url)
    running.result()
    return heard


def _unreachable(cause: RefusedError, url: str) -> RefusedError:
    return RefusedError(
        cause.what,
        code=cause.code,
        fatal=True,
        where=url,
        why=cause.why,
        remedy=cause.remedy or "start the coordinator, or check the address",
    )


def _decider(
    recording: Recording, script: Script, part: Part, settings: AgentConfiguration, gate: LinkGate
) -> RealUplink | OfflineDecider:
    if settings.uplink.url:
        opening = OpenJob(
            job=f"{recording.header.job}-replay"[:256],
            part=part.digest,
            printer=settings.printer.name,
            lookahead=settings.uplink.lookahead,
            rule=settings.uplink.rule,
        )
        return RealUplink(settings.uplink, opening, gate)
    scripts = {each.layer: each for each in script.layers}

    def next_gap(layer: int, window: int) -> int:
        forced = scripts[layer].next_forced(window)
        return part.size_of(layer)[1] if forced is None else forced

    return OfflineDecider(part, settings.uplink.rule or "input", gate, next_gap)


def _settings(recording: Recording, script: Script, choices: Choices) -> AgentConfiguration:
    """Return the settings that were in force, as far as they decide what is printed; limits of the link as they go.

    The link's times are real ones: on the replay's clock they are as many times longer as it is faster.
    """

    def was(section: str, key: str, default: Any) -> Any:
        return _recorded(recording, section, key, default)

    lookahead, rule = was("uplink", "lookahead", None), choices.rule or was("uplink", "rule", None)
    link = choices.against or Uplink()
    faster = choices.speed
    return AgentConfiguration(
        printer=Printer(
            name=choices.printer or recording.header.printer,
            guard_ms=was("printer", "guard_ms", 5.0),
            first_cell_limit_ms=was("printer", "first_cell_limit_ms", 2000.0),
            start_windows=was("printer", "start_windows", 4),
            start_wait_ms=was("printer", "start_wait_ms", 100.0),
            simulated=Simulated(start_limit_s=FAR_MS if script.link_at_begin else 0.0),
        ),
        capture=Capture(limit_ms=FAR_MS),
        uplink=msgspec.structs.replace(
            link,
            lookahead=lookahead,
            rule=rule,
            backoff_min_s=link.backoff_min_s * faster,
            backoff_max_s=link.backoff_max_s * faster,
            connect_s=link.connect_s * faster,
            ping_interval_s=link.ping_interval_s * faster,
            ping_timeout_s=link.ping_timeout_s * faster,
        ),
        fallback=Fallback(
            order=was("fallback", "order", "random"),
            seed=was("fallback", "seed", 0),
            smartscan_limit_ms=was("fallback", "smartscan_limit_ms", 30.0) * faster,
        ),
    )


def _recorded(recording: Recording, section: str, key: str, default: Any) -> Any:
    found = recording.configuration.get(section)
    value = found.get(key) if isinstance(found, dict) else None
    return default if value is None else value


def _check_part(recording: Recording, script: Script, part: Part) -> None:
    """Check that the recorded layers are this part's. Raises RecordingError."""
    for each in script.layers:
        elements, cells = part.size_of(each.layer)
        wrong = recording.maps[each.layer].elements != elements
        if wrong or any(not 0 <= window.cell < cells for window in each.windows.values()):
            raise RecordingError(
                f"layer {each.layer} is not the part's: it has {elements} elements and {cells} cells",
                where=str(recording.path),
                remedy="the recording is damaged there",
            )


class _Heard:
    """Notes what the replay hands over."""

    def __init__(self, told: Callable[[Happening], None]) -> None:
        self.handovers: dict[tuple[int, int], Handover] = {}
        self.causes: dict[tuple[int, int], str] = {}
        self.ended_s = 0.0
        self._told = told

    def observe(self, happening: Happening) -> None:
        match happening:
            case HandedOver(handover=handover):
                self.handovers[handover.layer, handover.window] = handover
            case WindowEnded(handover=handover, cause=cause) if cause:
                self.causes[handover.layer, handover.window] = cause
            case JobEnded():
                self.ended_s = now_s()
            case _:
                pass
        self._told(happening)
