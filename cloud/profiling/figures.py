"""What was measured of a platform, as figures with their spread."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud.profiling.sampling import Interval


@dataclass(frozen=True, slots=True)
class Product:
    """The product of a block with a vector: its time by shape, ms, one worker at a time."""

    rows: int
    columns: int
    precision: str
    ms: Interval


@dataclass(frozen=True, slots=True)
class Crowd:
    """By what factor products slow down when so many workers compute at a time: they share processors or memory."""

    workers: int
    factor: Interval


@dataclass(frozen=True, slots=True)
class Own:
    """Time of the coordinator's own work for a layer of so many elements, ms.

    Attributes:
        elements: of the layer.
        length: elements of the cell, for products; 0 for the choice of a cell.
        tolerance: of the operator, for products; 0 likewise.
    """

    elements: int
    length: int
    tolerance: float
    ms: Interval


@dataclass(slots=True)
class Figures:
    """All of it.

    Attributes:
        values: by the name of the profile's field, with where each comes from.
        cold: (idle s, share) ascending.
        products, crowd: of workers.
        operators: the polynomial operator on this machine.
        control: choosing a cell and what goes with it, on this machine.
    """

    values: dict[str, tuple[Interval, str]] = field(default_factory=dict)
    cold: list[tuple[float, Interval]] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    crowd: list[Crowd] = field(default_factory=list)
    operators: list[Own] = field(default_factory=list)
    control: list[Own] = field(default_factory=list)

    def note(self, name: str, interval: Interval, source: str) -> None:
        """Keep a value."""
        self.values[name] = (interval, source)
