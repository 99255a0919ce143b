"""What a seed stands for: how the world is set up, and which faults come when. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from agent.configuration import SimulatedFaults
from tests.simulation.part import CELLS, LAYERS, SCANNING_S

NETWORK = ("cut", "silent", "half-open up", "half-open down", "stall up", "stall down", "slow network", "narrow")
COORDINATOR = ("coordinator killed", "coordinator ends", "coordinator stalls")
AGENT = ("agent stalls", "slow threads", "no frame", "clock steps")
ENGINE = ("slow engine", "engine fails")
WORKERS = ("slow workers", "evicted", "throttled", "worker dies", "hangs", "answers wrong", "answers twice")
BROKER = ("broker gone", "broker blocks")
DISK = ("disk full", "disk slow")
MACHINE = ("late", "lost", "doubled", "wrong_cell", "restart", "fault")
LASTS_S = (0.02, 0.1, 0.4, 1.5)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: when, seconds; what; for how long, seconds; at which printer."""

    at_s: float
    kind: str
    lasts_s: float
    printer: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The world of a seed.

    Attributes:
        printers: how many print at one coordinator.
        driver: `simulated` in the agent's process, or `socket`: the machine is a process of its own.
        dispatch: `cell` or `layer`.
        lookahead: windows, None for the whole layer.
        fallback: the fallback order.
        spreading_s: how long powder is laid.
        engine: `inline`, or the mode in which functions of the simulated platform are invoked.
        groups: groups, row ranges and column ranges of the functions.
        recording: whether the job is recorded, on a disk that can fail.
        broker: whether the status is published.
        machine: what goes wrong with the machine itself.
    """

    seed: int
    printers: int = 1
    driver: str = "simulated"
    dispatch: str = "cell"
    lookahead: int | None = None
    fallback: str = "random"
    spreading_s: float = 0.3
    engine: str = "inline"
    groups: tuple[int, int, int] = (1, 1, 1)
    recording: bool = False
    broker: bool = False
    machine: SimulatedFaults = field(default_factory=SimulatedFaults)

    @property
    def well(self) -> bool:
        """The machine keeps to the rules."""
        return self.machine == SimulatedFaults(seed=self.machine.seed)


def setup_of(seed: int) -> Setup:
    """Return the world of a seed."""
    generator = random.Random(f"setup {seed}")
    dispatch = generator.choice(("cell", "cell", "layer"))
    engine = generator.choice(("inline", "inline", "persistent", "reuse", "speculative", "on_demand"))
    return Setup(
        seed=seed,
        printers=generator.choice((1, 1, 1, 2)),
        driver=generator.choice(("simulated", "socket")),
        dispatch=dispatch,
        lookahead=generator.choice((None, None, 1, 2, 5, 12)) if dispatch == "cell" else None,
        fallback=generator.choice(("random", "farthest", "smartscan")),
        spreading_s=generator.choice((0.3, 0.3, 1.0, 15.0)),
        engine=engine,
        groups=generator.choice(((1, 1, 1), (1, 2, 1), (2, 1, 1), (3, 2, 2))),
        recording=generator.random() < 0.15,
        broker=generator.random() < 0.5,
        machine=_machine_of(generator, seed),
    )


def _machine_of(generator: random.Random, seed: int) -> SimulatedFaults:
    if generator.random() < 0.6:
        return SimulatedFaults()
    shares: dict[str, float] = {
        kind: generator.choice((0.01, 0.05, 0.2)) for kind in MACHINE if generator.random() < 0.4
    }
    at = [f"abort {generator.randrange(LAYERS)}:{generator.randrange(CELLS)}"] if generator.random() < 0.1 else []
    return SimulatedFaults(seed=seed, late_ms=generator.choice((5.0, 30.0, 100.0)), restart_s=0.2, at=at, **shares)


def schedule_of(seed: int, setup: Setup) -> list[Fault]:
    """Return the faults of a seed: none to eight, in the order of their times."""
    generator = random.Random(f"schedule {seed}")
    kinds = NETWORK + COORDINATOR + AGENT + (ENGINE if setup.engine == "inline" else WORKERS)
    kinds += BROKER * setup.broker + DISK * setup.recording + ("agent killed",) * (setup.driver == "socket")
    lasts_s = LAYERS * (setup.spreading_s + SCANNING_S + 0.2) + 1.0
    faults = [
        Fault(
            round(_time(generator, setup.spreading_s, lasts_s), 6),
            generator.choice(kinds),
            generator.choice(LASTS_S),
            generator.randrange(setup.printers),
        )
        for _ in range(generator.choice((0, 1, 1, 2, 3, 4, 6, 8)))
    ]
    return sorted(faults, key=lambda fault: fault.at_s)


def _time(generator: random.Random, spreading_s: float, lasts_s: float) -> float:
    """Return when a fault comes: mostly while a layer is being scanned."""
    if generator.random() < 0.3:
        return generator.uniform(0.0, lasts_s)
    layer = generator.randrange(LAYERS)
    return spreading_s + layer * (spreading_s + SCANNING_S) + generator.uniform(-0.1, SCANNING_S)
