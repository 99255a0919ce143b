"""What each fault of a schedule does to a world."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.simulation.coordinator_process import PRODUCT_S, Coordinator
from tests.simulation.schedule import Fault

if TYPE_CHECKING:
    from cloud.plans import FunctionId
    from cloud.simulation.platform import Reply
    from tests.simulation.world import World

STALL_MAX_S = 0.3
"""Longest time that an event loop is blocked, seconds."""
RESTART_S = 0.2
"""What a killed process takes to be started again, seconds, at least."""


def begin(world: World, fault: Fault) -> None:
    """Let a fault happen; it ends by itself."""
    kind = fault.kind
    if kind in _ON_WIRE:
        wire = world.network.wires.get(world.printers[fault.printer].name)
        if wire is not None:
            _ON_WIRE[kind](wire, fault.lasts_s)
    elif kind in _ON_WORLD:
        _ON_WORLD[kind](world, fault)
    else:
        _on_workers(world, fault)


def _for_a_while(world: World, seconds: float, owner: Any, name: str, value: Any, usual: Any) -> None:
    """Set an attribute now, and to what it usually is after `seconds`."""
    setattr(owner, name, value)
    world.loop.call_later(seconds, setattr, owner, name, usual)


def _kill_coordinator(world: World, fault: Fault) -> None:
    world.coordinator.kill()
    _restart_coordinator(world, fault)


def _end_coordinator(world: World, fault: Fault) -> None:
    coordinator = world.coordinator
    if coordinator.process.alive:
        coordinator.process.start(coordinator.end())
        world.loop.call_later(0.05, coordinator.kill)
        _restart_coordinator(world, fault)


def _restart_coordinator(world: World, fault: Fault) -> None:
    """Start another coordinator, unless one comes already."""

    def start() -> None:
        if not world.coordinator.process.alive:
            world.coordinator = Coordinator(world.loop, world.network)
            world.coordinator.start()

    world.loop.call_later(max(fault.lasts_s, RESTART_S), start)


def _stall(world: World, fault: Fault) -> None:
    world.printers[fault.printer].stall(min(max(fault.lasts_s, 0.05), STALL_MAX_S))


def _no_frame(world: World, fault: Fault) -> None:
    _for_a_while(world, fault.lasts_s, world.printers[fault.printer].camera, "failing", True, False)


def _step_clock(world: World, fault: Fault) -> None:
    world.wall_step_s += -3600.0 if fault.lasts_s < 0.2 else 86_400.0


def _fill_disk(world: World, fault: Fault) -> None:
    if world.disk is not None:
        _for_a_while(world, fault.lasts_s, world.disk, "full", True, False)


def _slow_disk(world: World, fault: Fault) -> None:
    if world.disk is not None:
        _for_a_while(world, fault.lasts_s, world.disk, "slow_s", 0.8, 0.0)


def _on_broker(world: World, fault: Fault) -> None:
    if world.broker is not None:
        (world.broker.go if fault.kind == "broker gone" else world.broker.block)(4 * fault.lasts_s)


def _on_workers(world: World, fault: Fault) -> None:
    platform = world.ground.platform
    if platform is None:
        return
    functions = world.ground.plan.functions if world.ground.plan is not None else ()
    victim = functions[world.ground.generator.randrange(len(functions))]
    match fault.kind:
        case "slow workers":
            world.ground.be_slow(slow=True)
            world.loop.call_later(fault.lasts_s, lambda: world.ground.be_slow(slow=False))
        case "evicted":
            for function in functions if fault.lasts_s > 0.2 else (victim,):
                platform.evict(function)
        case "throttled":
            _for_a_while(world, fault.lasts_s, platform.faults, "invoke", lambda _: True, lambda _: False)
        case "worker dies":
            world.coordinator.process.call(platform.link.lose, victim)
        case _:
            reply = _REPLIES[fault.kind]
            _for_a_while(world, fault.lasts_s, platform.faults, "reply", reply, None)


def _hang(_function: FunctionId, sequence: int, reply: Reply) -> list[Reply]:
    return [] if sequence % 3 == 0 else [reply]


def _wrong(_function: FunctionId, sequence: int, reply: Reply) -> list[Reply]:
    """Answer what can be seen to be wrong: no number, another length, an error."""
    values = reply[0]
    assert values is not None
    return [[(values * np.nan, ""), (values[:-1], ""), (None, "out of memory"), reply][sequence % 4]]


def _twice(_function: FunctionId, _sequence: int, reply: Reply) -> list[Reply]:
    return [reply, reply]


_REPLIES: dict[str, Callable[[FunctionId, int, Reply], list[Reply]]] = {
    "hangs": _hang,
    "answers wrong": _wrong,
    "answers twice": _twice,
}

_ON_WIRE: dict[str, Callable[[Any, float], None]] = {
    "cut": lambda wire, _s: wire.close(),
    "silent": lambda wire, _s: wire.go_silent(),
    "half-open up": lambda wire, _s: wire.half_open(0),
    "half-open down": lambda wire, _s: wire.half_open(1),
    "stall up": lambda wire, s: wire.stall(0, s),
    "stall down": lambda wire, s: wire.stall(1, s),
}

_ON_WORLD: dict[str, Callable[[World, Fault], None]] = {
    "slow network": lambda world, f: _for_a_while(world, f.lasts_s, world.network, "latency_s", 0.05, 0.002),
    "narrow": lambda world, f: _for_a_while(world, f.lasts_s, world.network, "bytes_s", 2e4, 12.5e6),
    "coordinator killed": _kill_coordinator,
    "coordinator ends": _end_coordinator,
    "coordinator stalls": lambda world, f: world.coordinator.process.stop(f.lasts_s),
    "agent killed": lambda world, f: world.printers[f.printer].kill(max(f.lasts_s, RESTART_S)),
    "agent stalls": _stall,
    "slow threads": lambda world, f: _for_a_while(world, f.lasts_s, world.loop, "thread_s", 0.05, 0.0002),
    "no frame": _no_frame,
    "clock steps": _step_clock,
    "slow engine": lambda world, f: _for_a_while(world, f.lasts_s, world.ground, "product_s", 0.06, PRODUCT_S),
    "engine fails": lambda world, f: _for_a_while(world, f.lasts_s, world.ground, "failing", True, False),
    "broker gone": _on_broker,
    "broker blocks": _on_broker,
    "disk full": _fill_disk,
    "disk slow": _slow_disk,
}
