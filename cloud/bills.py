"""What a job has cost: seconds, GB-seconds, requests and dollars, by group. Pure; usage is told as it happens.

Every invocation is billed on its own: rounded up to the platform's step, times the function's memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cloud.platforms.interface import Billing
from cosmic.errors import ConfigurationError

Amount = Annotated[float, Meta(ge=0.0)]
Kind = Literal["serve", "warm", "load"]
"""What an invocation was for."""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of prices.toml, USD.

    Attributes:
        name: what is bought.
        dated: when the figures were compared with the source.
        source: where they come from.
        gb_second: a GB of a function's memory for a second.
        request: an invocation.
        machine_hour: a machine for an hour.
        machine_gb: memory of that machine, GB.
    """

    name: str
    dated: str
    source: str
    gb_second: Amount = 0.0
    request: Amount = 0.0
    machine_hour: Amount = 0.0
    machine_gb: Amount = 0.0


class _Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: tuple[Price, ...]


@lru_cache(maxsize=1)
def shipped_prices() -> tuple[Price, ...]:
    """Return the rows of the prices.toml that comes with the coordinator."""
    text = resources.files("cloud").joinpath("prices.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Prices).price


def price_of(name: str, prices: Sequence[Price] | None = None) -> Price:
    """Return the row called `name`. Raises ConfigurationError where there is none."""
    known = shipped_prices() if prices is None else prices
    found = next((price for price in known if price.name == name), None)
    if found is None:
        raise ConfigurationError(
            f"there is no price '{name}'", where="prices", remedy=f"use one of: {', '.join(p.name for p in known)}"
        )
    return found


class Line(msgspec.Struct, kw_only=True):
    """Usage of one group, or of all.

    Attributes:
        requests: invocations, of every kind.
        warm_requests: of these, dummy requests that keep workers warm.
        loads: of these, loads of blocks.
        seconds: billed time of all its functions together.
        warm_seconds: of these, in dummy requests.
        load_seconds: of these, loading.
        gb_seconds: `seconds` times the functions' memory in GB.
        dollars: what that costs, USD.
    """

    requests: int = 0
    warm_requests: int = 0
    loads: int = 0
    seconds: float = 0.0
    warm_seconds: float = 0.0
    load_seconds: float = 0.0
    gb_seconds: float = 0.0
    dollars: float = 0.0


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a job has cost.

    Attributes:
        engine: name of the engine.
        strategy: name of the plan.
        price: row of the prices that was used, and its date and source.
        total: all groups together.
        groups: by number of the group.
    """

    engine: str
    strategy: str
    price: str
    price_dated: str
    price_source: str
    total: Line
    groups: dict[int, Line]

    def figures(self) -> dict[str, float | int | str]:
        """Return what the job's log line says."""
        total = self.total
        return {
            "strategy": self.strategy,
            "seconds": round(total.seconds, 3),
            "gb_seconds": round(total.gb_seconds, 3),
            "requests": total.requests,
            "warm_requests": total.warm_requests,
            "loads": total.loads,
            "dollars": round(total.dollars, 8),
            "price": f"{self.price} of {self.price_dated}",
        }


class Meter:
    """Adds up usage by job.

    billing: the platform's rules.
    price: what it charges.
    memory_mb: size of a function, MiB; 1,024 MiB are billed as one GB.

    Attributes:
        everything: usage of all jobs since the beginning.
        machines: machines that always run, where their number is known; None: as functions' memory needs.
    """

    def __init__(self, billing: Billing, price: Price, memory_mb: int, functions: int) -> None:
        self.everything = Line()
        self.machines: float | None = None
        self._billing = billing
        self._price = price
        self._memory_gb = memory_mb / 1024
        self._functions = functions
        self._jobs: dict[str, dict[int, Line]] = {}
        self._since_s: dict[str, float] = {}
        self._taken: set[str] = set()

    def billed_s(self, duration_s: float) -> float:
        """Return the time that an invocation of `duration_s` seconds is billed for."""
        step_s = self._billing.step_ms / 1e3
        # A step too few or many for rounding of the clock would be a figure nobody can reproduce.
        return max(self._billing.minimum_ms / 1e3, math.ceil(round(duration_s / step_s, 6)) * step_s)

    def used(self, job: str, group: int, kind: Kind, duration_s: float) -> None:
        """Take one invocation that is over; what comes after a job's bill is on the next one that is taken."""
        job = "" if job in self._taken else job
        for line in (self._jobs.setdefault(job, {}).setdefault(group, Line()), self.everything):
            line.requests += 1
            line.warm_requests += kind == "warm"
            line.loads += kind == "load"
            if self._billing.always_on:
                continue
            line.dollars += self._price.request
            self._add(line, kind, self.billed_s(duration_s))

    def corrected(self, job: str, group: int, kind: Kind, was_s: float, is_s: float) -> None:
        """Note that an invocation taken with `was_s` seconds lasted `is_s`; ignored once the bill is taken."""
        line = self._jobs.get(job, {}).get(group)
        if line is None or self._billing.always_on:
            return
        for one in (line, self.everything):
            self._add(one, kind, self.billed_s(is_s) - self.billed_s(was_s))

    def _add(self, line: Line, kind: Kind, seconds: float) -> None:
        line.seconds += seconds
        line.warm_seconds += seconds if kind == "warm" else 0.0
        line.load_seconds += seconds if kind == "load" else 0.0
        line.gb_seconds += seconds * self._memory_gb
        line.dollars += seconds * self._memory_gb * self._price.gb_second

    def opened(self, job: str, now_s: float) -> None:
        """Note that a job is under way: machines are paid for from here on."""
        self._taken.discard(job)
        self._since_s.setdefault(job, now_s)

    def so_far(self, job: str) -> Line:
        """Return what a job under way has used; machines that always run come on its bill."""
        return _sum(self._jobs.get(job, {}).values())

    def take(self, job: str, engine: str, strategy: str, now_s: float) -> Bill:
        """Return the bill of a job, and forget it.

        Usage that no job asked for, as the first load, is on the first bill that is taken.
        """
        groups = self._jobs.pop(job, {})
        self._taken.add(job)
        for group, line in self._jobs.pop("", {}).items():
            groups[group] = _sum([groups.get(group, Line()), line])
        if self._billing.always_on:
            self._machines(groups, now_s - self._since_s.pop(job, now_s))
        total = _sum(groups.values())
        price = self._price
        return Bill(
            engine=engine,
            strategy=strategy,
            price=price.name,
            price_dated=price.dated,
            price_source=price.source,
            total=total,
            groups=dict(sorted(groups.items())),
        )

    def _machines(self, groups: dict[int, Line], seconds: float) -> None:
        """Bill machines that always run: those known, else as functions' memory needs, one a function at least."""
        machines = self.machines or self._functions * max(1.0, math.ceil(self._memory_gb / self._price.machine_gb))
        line = groups.setdefault(0, Line())
        line.seconds += seconds * machines
        line.gb_seconds += seconds * machines * self._price.machine_gb
        line.dollars += seconds / 3600 * machines * self._price.machine_hour


def _sum(lines: Iterable[Line]) -> Line:
    total = Line()
    for line in lines:
        for field in Line.__struct_fields__:
            setattr(total, field, getattr(total, field) + getattr(line, field))
    return total
