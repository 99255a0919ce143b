"""What the model knows of the world: a platform's profile, prices and settings, with changes to try out."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from cloud.bills import Price, price_of, shipped_prices
from cloud.planner.spaces import Space
from cloud.simulation.profile import MEASURED_TABLES, Profile, read_profile
from cosmic.errors import ConfigurationError
from protocol.limits import PositiveFloat, PositiveInt

MACHINE = "x2gd.xlarge"
COORDINATOR = "m6g.8xlarge"
POLYNOMIAL_ELEMENTS = 40_032
"""Elements of the layer that the setting `polynomial_ms` was measured on (design: figures.md, 16 cm2)."""

TOML_BYTES_MAX = 1_000_000
SMALLER, LARGER = 64.0, 16.0
"""A product's time is trusted for blocks up to so many times smaller or larger than those measured: below it is
hardly felt beside the messages, above it is bound by memory."""

NotNegative = Annotated[float, Meta(ge=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values of settings.toml, where each has its unit and source."""

    draws: Annotated[int, Meta(ge=1, le=10_000)]
    confidence: Annotated[float, Meta(gt=0.0, le=1.0)]
    start_windows: PositiveInt
    start_wait_ms: NotNegative
    guard_ms: NotNegative
    runtime_mb: NotNegative
    warm_interval_s: PositiveFloat
    concurrency_max: PositiveInt
    accuracy: Share
    function_vcpus: PositiveFloat
    machine_vcpus: PositiveFloat
    machine_factor_max: PositiveInt
    dense_bytes_s: PositiveFloat
    printer_gb: PositiveFloat
    coordinator_dense_bytes_s: PositiveFloat
    polynomial_ms: PositiveFloat


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """What all measured rows have beside their figure: its interval and number of samples, for people."""


class Measured(_Row, frozen=True, kw_only=True):
    """One measured product: a `[[product]]` of a profile.

    Attributes:
        rows: of the block.
        columns: of the block.
        precision: of the block.
        median_ms: time of a product at the profile's `product_memory_mb`, ms.
    """

    rows: PositiveInt
    columns: PositiveInt
    precision: str
    median_ms: PositiveFloat


class Crowd(_Row, frozen=True, kw_only=True):
    """A `[[crowd]]`: by what factor products slow down with so many workers at a time, which share a machine."""

    workers: PositiveInt
    factor: Annotated[float, Meta(ge=1.0)]


class OperatorTime(_Row, frozen=True, kw_only=True):
    """An `[[operator]]`: the polynomial operator on the profiled machine.

    Attributes:
        elements: of the layer.
        length: of the cell, elements.
        median_ms: time of a product, ms.
    """

    elements: PositiveInt
    length: PositiveInt
    median_ms: PositiveFloat


class ControlTime(_Row, frozen=True, kw_only=True):
    """A `[[control]]`: the coordinator's own work of a window, such as choosing the cell, ms."""

    elements: PositiveInt
    median_ms: PositiveFloat


class About(_Row, frozen=True, kw_only=True):
    """The `[measured]` of a profile: what was measured, where.

    Attributes:
        engine: which one.
        memory_scales: processors come with memory, as functions have it.
        processors: of the machine that all workers share; 0: they have their own.
    """

    engine: str = ""
    memory_scales: bool = True
    processors: Annotated[int, Meta(ge=0)] = 0


class Extra(msgspec.Struct, frozen=True, kw_only=True):
    """What a measured profile says beside the fields of `Profile`."""

    product: tuple[Measured, ...] = ()
    crowd: tuple[Crowd, ...] = ()
    operator: tuple[OperatorTime, ...] = ()
    control: tuple[ControlTime, ...] = ()
    measured: About = About()


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform as the model sees it.

    Attributes:
        profile: delays and rates.
        extra: what was measured beside them; without product times the profile's one rate holds for every shape.
        function: price of functions.
        machine: price of a machine of the VM fleet.
        coordinator: price of the coordinator's machine.
        settings: everything else.
    """

    profile: Profile
    extra: Extra
    function: Price
    machine: Price
    coordinator: Price
    settings: Settings

    def product_s(self, rows: NDArray[Any], columns: NDArray[Any], precision: str, memory_mb: Any) -> Any:
        """Return the median time of a product, s; NaN where the profile has no shape near it.

        Between measured shapes the time is linear in the logarithm of the block's bytes; processors come with
        memory, so it goes with the function's size.

        rows, columns: int[k], of the blocks. memory_mb: of the functions, MiB.
        """
        values = rows.astype(np.float64) * columns
        size = values * (8 if precision == "float64" else 4)
        share = np.asarray(memory_mb, dtype=np.float64) / self.profile.product_memory_mb
        if not self.extra.measured.memory_scales:
            share = np.ones_like(share)
        if not self.extra.product:
            return size / (self.profile.product_bytes_s * share)
        known = sorted(
            (m.rows * m.columns, m.median_ms / 1e3) for m in self.extra.product if m.precision == precision
        )
        if not known:
            return np.full(np.broadcast(size, share).shape, np.nan)
        at, taken = np.array(known).T
        seconds = np.exp(np.interp(np.log(values), np.log(at), np.log(taken)))
        # Beyond the ends products are bound by memory: time goes with bytes.
        seconds = seconds * np.maximum(values / at[-1], 1.0) * np.minimum(values / at[0], 1.0)
        trusted = (values >= at[0] / SMALLER) & (values <= at[-1] * LARGER)
        return np.where(trusted, seconds, np.nan) / share

    def crowding(self, functions: NDArray[Any]) -> Any:
        """Return by what factor products slow down with so many at a time: float64[k], 1 where nothing is shared.

        Between measured numbers it is linear; beyond the last it grows with the number.
        """
        if not self.extra.crowd:
            return np.ones(np.shape(functions))
        known = sorted((row.workers, row.factor) for row in self.extra.crowd)
        at, factor = np.array(known, dtype=np.float64).T
        return np.interp(functions, at, factor) * np.maximum(np.asarray(functions) / at[-1], 1.0)

    def control_s(self, elements: int) -> float:
        """Return the coordinator's own work of a window of a layer, s; 0 where it was not measured."""
        return _between([(row.elements, row.median_ms / 1e3) for row in self.extra.control], elements)

    def operator_s(self, elements: int, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the time of a polynomial operator on the machine profiled, float64 of the shape of `lengths`, s.

        Not measured: `polynomial_ms` of the settings, in proportion to the elements.
        """
        rows = self.extra.operator
        if not rows:
            each_s = self.settings.polynomial_ms / 1e3 * elements / POLYNOMIAL_ELEMENTS
            return np.full(lengths.shape, each_s)
        known = sorted({row.length for row in rows})
        at_s = [
            _between([(row.elements, row.median_ms / 1e3) for row in rows if row.length == length], elements)
            for length in known
        ]
        return np.interp(lengths, known, at_s)

    @property
    def dense_bytes_s(self) -> float:
        """Bytes a second of a dense product by all processes of the coordinator's machine.

        Measured where the profile is of engine local: with as many processes at a time as give most.
        """
        if self.extra.measured.engine != "local" or not self.extra.crowd:
            return self.settings.coordinator_dense_bytes_s
        return max(self.profile.product_bytes_s * row.workers / row.factor for row in self.extra.crowd)

    @property
    def delay_sigma(self) -> float:
        """Sigma of the log-normal part of the invocation delay, without unit."""
        profile = self.profile
        above_ms = profile.invocation_median_ms - profile.invocation_least_ms
        return math.log((profile.invocation_p90_ms - profile.invocation_least_ms) / above_ms) / 1.2815515655446004

    @property
    def break_even_gb(self) -> float:
        """GB of a VM that cost as much a second as 10 GB of a function: the paper's 92 GB (appendix A)."""
        return 10.0 * self.function.gb_second / (self.machine.machine_hour / 3600 / self.machine.machine_gb)


def read_platform(
    profile: str = "paper", prices: Path | None = None, changes: Sequence[str] = ()
) -> tuple[Platform, dict[str, float]]:
    """Return the platform, and the changes that are not of it but of the job (`JOB_KEYS`).

    Args:
        profile: name of a shipped profile, or path of a TOML file.
        prices: TOML file with `[[price]]` rows; None: the shipped one.
        changes: `key=value` of what to try out: a field of the profile, of the settings, of a price
            (`gb_second`, `request`, `machine_hour`, `machine_gb`), or of the job.

    Raises:
        ConfigurationError: a file or a change is wrong.
    """
    base, extra = _profile(profile)
    rows = shipped_prices() if prices is None else _prices(prices)
    function, machine = _by_the_second(price_of(base.price, rows)), price_of(MACHINE, rows)
    settings = shipped_settings()
    if extra.measured.processors:
        settings = msgspec.structs.replace(settings, concurrency_max=max(row.workers for row in extra.crowd))
    job: dict[str, float] = {}
    for change in changes:
        key, value = _parse(change)
        if key in JOB_KEYS:
            if not value > 0:
                raise ConfigurationError(f"{key} = {value:g} is not possible", where="--what-if", remedy="above 0")
            if {key, *job} >= {"speed_mm_s", "layer_s"}:
                raise ConfigurationError(
                    "speed_mm_s and layer_s say the same", where="--what-if", remedy="give one of the two"
                )
            job[key] = value
        elif key in PRICE_KEYS and key.startswith("machine"):
            machine = _changed(machine, key, value)
        elif key in PRICE_KEYS:
            function = _changed(function, key, value)
        elif key in Settings.__struct_fields__:
            settings = _changed(settings, key, value)
        elif key in NUMBERS:
            base = _changed(base, key, value)
        else:
            known = [*JOB_KEYS, *PRICE_KEYS, *Settings.__struct_fields__, *NUMBERS]
            raise ConfigurationError(
                f"'{key}' is not known", where="--what-if", remedy=f"use one of: {', '.join(known)}"
            )
    if function.gb_second <= 0 or machine.machine_hour <= 0 or machine.machine_gb <= 0:
        raise ConfigurationError(
            f"the price of {function.name} or {machine.name} is nothing",
            where="prices",
            why="gb_second, machine_hour and machine_gb must be above 0",
            remedy="give their prices",
        )
    return Platform(base, extra, function, machine, price_of(COORDINATOR, rows), settings), job


def _between(known: Sequence[tuple[int, float]], at: float) -> float:
    """Return a time between measured ones, s: linear in the logarithms, beyond the last in proportion."""
    if not known:
        return 0.0
    sizes, seconds = np.log(np.array(sorted(known))).T
    return float(np.exp(np.interp(np.log(at), sizes, seconds)) * max(1.0, at / math.exp(sizes[-1])))


def space_of(platform: Platform, space: Space) -> Space:
    """Return what is searched of a space on a platform: processes of one machine always run."""
    if platform.extra.measured.engine != "local":
        return space
    memory_mb = platform.profile.product_memory_mb
    return replace(space, modes=("persistent",), memories_mb=(memory_mb,))


JOB_KEYS = ("speed_mm_s", "layer_s", "spreading_s")
PRICE_KEYS = ("gb_second", "request", "machine_hour", "machine_gb")
NUMBERS = tuple(field.name for field in msgspec.structs.fields(Profile) if field.name not in {
    "name", "price", "cold_idle_s", "cold_share",
})  # fmt: skip


def _by_the_second(price: Price) -> Price:
    """Return the price of workers: on a machine they are paid as a share of its memory, for the time they run."""
    if price.gb_second or not (price.machine_hour and price.machine_gb):
        return price
    return msgspec.structs.replace(price, gb_second=price.machine_hour / 3600 / price.machine_gb)


def shipped_settings() -> Settings:
    """Return the values of settings.toml."""
    rows = tomllib.loads(resources.files("cloud.planner").joinpath("settings.toml").read_text())
    return msgspec.convert({name: row["value"] for name, row in rows.items()}, Settings)


def _profile(name: str) -> tuple[Profile, Extra]:
    if not name.endswith(".toml"):
        return read_profile(name), Extra()
    values = _toml(Path(name))
    tables = {key: values.pop(key) for key in MEASURED_TABLES if key in values}
    try:
        return msgspec.convert(values, Profile), msgspec.convert(tables, Extra)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the profile is wrong: {error}", where=name, remedy="mend that value") from error


class _Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: tuple[Price, ...]


def _prices(path: Path) -> tuple[Price, ...]:
    try:
        return msgspec.convert(_toml(path), _Prices).price
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"the prices are wrong: {error}", where=str(path), remedy="mend that value: prices are not negative"
        ) from error


def _toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > TOML_BYTES_MAX:
            raise ConfigurationError(
                f"it is larger than {TOML_BYTES_MAX:,} bytes", where=str(path), remedy="give another file"
            )
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="check the path and the permissions"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"is not TOML: {error}", where=str(path), remedy="mend that line") from error


def _parse(change: str) -> tuple[str, float]:
    key, equals, text = change.partition("=")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not equals or not math.isfinite(value):
        raise ConfigurationError(
            f"'{change}' is not a change", where="--what-if", remedy="write key=number, such as speed_mm_s=600"
        )
    return key.strip(), value


def _changed(of: Any, key: str, value: float) -> Any:
    whole = isinstance(getattr(of, key), int)
    values = msgspec.to_builtins(of) | {key: int(value) if whole and value.is_integer() else value}
    try:
        return msgspec.convert(values, type(of))
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{key} = {value:g} is not possible: {error}", where="--what-if", remedy="use another value"
        ) from error
