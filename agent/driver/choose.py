"""Makes the driver that the configuration names."""

from __future__ import annotations

from collections.abc import Sequence

from agent.configuration import Printer
from agent.driver.interface import Driver
from agent.plant import Plant
from fallback import Ladder, make_ladder
from thermal.part import Part


def make_driver(settings: Printer, part: Part, plant: Plant) -> Driver:
    """Return the driver called `settings.driver`, for `part`. `plant`: what a simulated printer heats.

    Raises:
        ConfigurationError: the driver's own settings cannot be used.
    """
    match settings.driver:
        case "simulated":
            from agent.driver.simulated import SimulatedPrinter  # noqa: PLC0415  only what is used is loaded

            return SimulatedPrinter(part, settings.simulated, plant)
        case "socket":
            from agent.driver.socket import SocketPrinter  # noqa: PLC0415

            return SocketPrinter(part, settings.socket, dispatch=settings.dispatch)
        case "file":
            from agent.driver.file import BuildFilePrinter  # noqa: PLC0415

            return BuildFilePrinter(part, settings.file)


def ladder_of(driver: Driver, names: Sequence[str], seed: int) -> Ladder:
    """Return what is scanned when no decision is there: the orders called `names`, drawn from `seed`.

    A machine with build files goes on as its own file says.

    Raises:
        ConfigurationError: an order is not known.
    """
    ladder = make_ladder(names, seed)
    own = getattr(driver, "order", None)
    return ladder if own is None else Ladder([own])
