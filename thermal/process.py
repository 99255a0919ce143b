"""Process settings of a part, and what the thermal model derives from them.

Every value is in SI units, named at the end of the field. No arrays and no geometry here.
"""

from __future__ import annotations

import math

import msgspec

from cosmic.errors import ProcessError

SUBSTEPS_MAX = 64

# Field -> (lowest, highest) value that is physical for LPBF of a metal, both allowed.
RANGES: dict[str, tuple[float, float]] = {
    "conductivity_W_mK": (0.1, 1000.0),
    "density_kg_m3": (500.0, 25_000.0),
    "heat_capacity_J_kgK": (50.0, 5000.0),
    "melt_K": (300.0, 5000.0),
    "absorptivity": (0.01, 1.0),
    "speed_m_s": (0.001, 50.0),
    "power_W": (1.0, 20_000.0),
    "element_m": (10e-6, 5e-3),
    "depth_m": (10e-6, 50e-3),
    "top_loss_W_m2K": (0.0, 10_000.0),
    "base_loss_W_m2K": (0.0, 1_000_000.0),
    "ambient_K": (200.0, 1500.0),
    "layer_m": (5e-6, 1e-3),
    "spreading_s": (0.0, 3600.0),
}


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Material, laser and machine of a part; defaults are AISI 316L at 293 K (design: thermal.md, Step).

    The hatch distance is the side of an element: the laser crosses one element in one step.

    Sub-steps. Where `4F + s > 1` a step is cut in `substeps` parts with F, s and q divided by their number.
    thermal.md says that the heat "enters with the first" sub-step and, in its proof, that a cell adds exactly
    `n_c q`. Our reading of the two: each sub-step adds `q / substeps` at its end, so that without losses a
    cell adds exactly `n_c q` for any number of sub-steps, and one sub-step is the formula of the page.

    Raises:
        ProcessError: a value is outside `RANGES`, or more than 64 sub-steps would be needed.
    """

    conductivity_W_mK: float = 13.85
    density_kg_m3: float = 7957.5
    heat_capacity_J_kgK: float = 497.9
    melt_K: float = 1674.0
    absorptivity: float = 0.30
    speed_m_s: float = 0.8
    power_W: float = 200.0
    element_m: float = 0.2e-3
    depth_m: float = 1e-3
    top_loss_W_m2K: float = 22.5
    base_loss_W_m2K: float = 3000.0
    ambient_K: float = 293.0
    layer_m: float = 50e-6
    spreading_s: float = 15.0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ProcessError(
                    f"{name} = {value:g} is not physical",
                    where="process",
                    why=f"it must lie between {low:g} and {high:g}",
                    remedy=f"set {name} within that range",
                )
        if self.ambient_K >= self.melt_K:
            raise ProcessError(
                f"ambient_K = {self.ambient_K:g} is not below melt_K = {self.melt_K:g}",
                where="process",
                why="the chamber must be colder than the melting point",
                remedy="correct ambient_K or melt_K",
            )
        if self.substeps > SUBSTEPS_MAX:
            raise ProcessError(
                f"the step of {self.step_s:g} s needs {self.substeps} sub-steps "
                f"(F = {self.fourier:.4g} from conductivity_W_mK, density_kg_m3, heat_capacity_J_kgK, "
                f"speed_m_s and element_m; s = {self.loss:.4g} from the losses and depth_m)",
                where="process",
                why=f"4F + s may be at most {SUBSTEPS_MAX}",
                remedy="raise speed_m_s or element_m, or lower the losses",
            )

    @property
    def step_s(self) -> float:
        """Time in which the laser crosses one element, s: `dt = dx / speed`."""
        return self.element_m / self.speed_m_s

    @property
    def diffusivity(self) -> float:
        """Thermal diffusivity, m2/s: `alpha = k / (rho cp)`."""
        return self.conductivity_W_mK / (self.density_kg_m3 * self.heat_capacity_J_kgK)

    @property
    def fourier(self) -> float:
        """Grid Fourier number of one step, without unit: `F = alpha dt / dx^2`."""
        return self.diffusivity * self.step_s / self.element_m**2

    @property
    def loss(self) -> float:
        """Share of an element's temperature rise lost per step: `s = (h_top + h_base) dt / (rho cp depth)`."""
        transfer = self.top_loss_W_m2K + self.base_loss_W_m2K
        return transfer * self.step_s / (self.density_kg_m3 * self.heat_capacity_J_kgK * self.depth_m)

    @property
    def rise_K(self) -> float:
        """Rise of an element while the laser crosses it, K: `q = eta P dt / (rho cp dx^2 depth)`."""
        heated_J_K = self.density_kg_m3 * self.heat_capacity_J_kgK * self.element_m**2 * self.depth_m
        return self.absorptivity * self.power_W * self.step_s / heated_J_K

    @property
    def substeps(self) -> int:
        """Sub-steps per step that keep the model stable and positive: `m = ceil(4F + s)`, at least 1."""
        return max(1, math.ceil(4 * self.fourier + self.loss))


def with_element(process: Process, element_mm: float) -> Process:
    """Return the process with another element side (and hatch distance), mm.

    Raises:
        ProcessError: the side is out of range, or the step cannot be made stable.
    """
    return msgspec.structs.replace(process, element_m=round(element_mm * 1e-3, 12))
