"""What a platform is like, in figures: delays, rates, cold starts. From a TOML file; the paper's is shipped."""

from __future__ import annotations

import math
import tomllib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from cosmic.errors import ConfigurationError
from protocol.limits import PositiveFloat, PositiveInt

P90 = 1.2815515655446004
"""90th percentile of the standard normal distribution."""

MEASURED_TABLES = ("product", "crowd", "operator", "control", "value", "idle", "measured")
"""What a measured profile has beside these figures, for the planner and for people (docs/how-to)."""

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Time = Annotated[float, Meta(ge=0.0)]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A platform. The fields are described in paper.toml.

    Attributes:
        name: what the platform is called.
        price: its row in prices.toml.
        invocation_per: whether every function has a delay of its own, or the functions of a group that are
            invoked together share one.
    """

    name: str
    price: str
    billing_step_ms: PositiveFloat
    invocation_least_ms: Time
    invocation_median_ms: PositiveFloat
    invocation_p90_ms: PositiveFloat
    cold_idle_s: tuple[float, ...]
    cold_share: tuple[Share, ...]
    cold_start_ms: Time
    coordinator_bytes_s: PositiveFloat
    worker_bytes_s: PositiveFloat
    one_way_ms: Time
    message_ms: Time
    product_bytes_s: PositiveFloat
    product_memory_mb: PositiveInt
    product_p90_factor: Annotated[float, Meta(ge=1.0)]
    straggler_share: Share
    straggler_ms: Time
    load_bytes_s: PositiveFloat
    spare_ms: Time
    invocations_per_s_max: Time
    throttled_share: Share
    invocation_per: Literal["function", "group"] = "function"

    def __post_init__(self) -> None:
        """Refuse figures that contradict each other. Raises ValueError."""
        if not self.invocation_least_ms < self.invocation_median_ms <= self.invocation_p90_ms:
            raise ValueError("invocation_least_ms, _median_ms and _p90_ms must ascend")
        if len(self.cold_idle_s) != len(self.cold_share) or not self.cold_idle_s:
            raise ValueError("cold_idle_s and cold_share must have one length")

    def invocation_s(self, random: np.random.Generator) -> float:
        """Draw the delay from asking for a warm function to its code running, seconds."""
        above_ms = self.invocation_median_ms - self.invocation_least_ms
        sigma = math.log((self.invocation_p90_ms - self.invocation_least_ms) / above_ms) / P90
        return (self.invocation_least_ms + above_ms * math.exp(sigma * random.standard_normal())) / 1e3

    def cold(self, idle_s: float, random: np.random.Generator) -> bool:
        """Draw whether an environment is gone after `idle_s` seconds without a request."""
        if idle_s > self.cold_idle_s[-1]:
            return True
        at = math.log(max(idle_s, self.cold_idle_s[0]))
        share = float(np.interp(at, [math.log(idle) for idle in self.cold_idle_s], self.cold_share))
        return bool(random.random() < share)

    def product_s(self, block_bytes: float, memory_mb: int, random: np.random.Generator) -> float:
        """Draw the time of a product with a block in memory, seconds; processors come with memory."""
        rate = self.product_bytes_s * memory_mb / self.product_memory_mb
        factor = math.exp(math.log(self.product_p90_factor) / P90 * random.standard_normal())
        late_s = self.straggler_ms / 1e3 if random.random() < self.straggler_share else 0.0
        return block_bytes / rate * factor + late_s


@lru_cache(maxsize=8)
def read_profile(name: str = "paper") -> Profile:
    """Return the shipped profile called `name`, or the one in the TOML file that `name` is the path of.

    Raises ConfigurationError.
    """
    try:
        if name.endswith(".toml"):
            text = Path(name).read_text()
        else:
            text = resources.files("cloud.simulation").joinpath(f"{name}.toml").read_text()
        values = {key: value for key, value in tomllib.loads(text).items() if key not in MEASURED_TABLES}
        return msgspec.convert(values, Profile)
    except OSError as error:
        raise ConfigurationError(
            f"there is no profile '{name}'", where="profile", remedy="use paper, or the path of a .toml file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the profile is wrong: {error}", where=name, remedy="mend that value") from error
