"""From counts to kelvin: two laws, and what emissivity, surroundings and a window change.

What a camera sees of a surface at `T` through a window is

    t e L(T) + t (1 - e) L(T_reflected) + (1 - t) L(T_window)

with the emissivity `e`, the window's transmission `t` and the signal `L` of a black body (M. Vollmer and
K.-P. Moellmann, Infrared Thermal Imaging, 2nd ed., chapter 2). Both laws are inverted for `L(T)`, then for `T`.

- `planck`: counts are `S = R / (exp(B / T) - F) + O`; R, B, F, O come from the camera's calibration.
- `linear`: the camera has made kelvin of its counts for a black body, `T = scale S + offset`; emissivity and window
  are taken into account with Planck's law at one wavelength.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

C2_UM_K = 14387.768775
"""Second radiation constant, um K (CODATA 2018)."""

_Values = NDArray[np.float32]
_Exact = NDArray[np.float64]


class Law(Protocol):
    """How the counts of a black body follow from its temperature."""

    def signal(self, kelvin: _Exact) -> _Exact:
        """Return what is additive in radiation: float64[...]."""
        ...

    def counts(self, signal: _Exact) -> _Exact:
        """Return the counts of a signal: float64[...]."""
        ...

    def kelvin_of_signal(self, signal: _Values) -> _Values:
        """Return the temperature of a signal, float32[n], in place; NaN where there is none."""
        ...

    def signal_of_counts(self, counts: _Values) -> _Values:
        """Return the signal of counts, float32[n], in place."""
        ...


@dataclass(frozen=True, slots=True)
class Planck:
    """`S = R / (exp(B / T) - F) + O`. R and O in counts, B in kelvin, F has no unit."""

    R: float
    B: float
    F: float
    O: float  # noqa: E741  its name in every camera's manual

    def signal(self, kelvin: _Exact) -> _Exact:
        """Return counts above O."""
        return self.R / (np.exp(self.B / kelvin) - self.F)

    def counts(self, signal: _Exact) -> _Exact:
        """Return counts."""
        return signal + self.O

    def signal_of_counts(self, counts: _Values) -> _Values:
        """Return counts above O."""
        counts -= np.float32(self.O)
        return counts

    def kelvin_of_signal(self, signal: _Values) -> _Values:
        """Return `B / ln(R / signal + F)`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(np.float32(self.R), signal, out=signal)
            signal += np.float32(self.F)
            np.log(signal, out=signal)
            np.divide(np.float32(self.B), signal, out=signal)
        return signal


@dataclass(frozen=True, slots=True)
class Linear:
    """`T = scale S + offset` for a black body; radiation adds as Planck's law at `wavelength_um` says."""

    scale_K: float
    offset_K: float
    wavelength_um: float

    def signal(self, kelvin: _Exact) -> _Exact:
        """Return the radiation relative to its limit factor: `1 / (exp(c2 / (wavelength T)) - 1)`."""
        return 1.0 / np.expm1(C2_UM_K / self.wavelength_um / kelvin)

    def counts(self, signal: _Exact) -> _Exact:
        """Return counts."""
        kelvin = C2_UM_K / self.wavelength_um / np.log1p(1.0 / signal)
        return (kelvin - self.offset_K) / self.scale_K

    def apparent(self, counts: _Values) -> _Values:
        """Return the temperature that a black body would have, float32[n], in place."""
        counts *= np.float32(self.scale_K)
        counts += np.float32(self.offset_K)
        return counts

    def signal_of_counts(self, counts: _Values) -> _Values:
        """Return the radiation relative to its limit factor."""
        kelvin = self.apparent(counts)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            np.divide(np.float32(C2_UM_K / self.wavelength_um), kelvin, out=kelvin)
            np.expm1(kelvin, out=kelvin)
            np.divide(np.float32(1.0), kelvin, out=kelvin)
        return kelvin

    def kelvin_of_signal(self, signal: _Values) -> _Values:
        """Return the temperature."""
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(np.float32(1.0), signal, out=signal)
            np.log1p(signal, out=signal)
            np.divide(np.float32(C2_UM_K / self.wavelength_um), signal, out=signal)
        return signal


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands between a surface and the camera.

    Attributes:
        reflected_K: apparent temperature of what the surface mirrors, kelvin.
        transmission: share of radiation that the window lets through, above 0, at most 1.
        window_K: temperature of the window, kelvin.
    """

    reflected_K: float
    transmission: float
    window_K: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Counts to kelvin for surfaces of known emissivity.

    Attributes:
        law: the camera's.
        gain, offset: signal of the surface = gain x signal at the camera - offset; float32[n] or one for all.
            None: the camera sees black bodies without a window, and nothing is to be taken into account.
    """

    law: Linear | Planck
    gain: _Values | None
    offset: _Values | None

    def kelvin(self, counts: _Values) -> _Values:
        """Return the temperature of every surface, float32[n], kelvin, in the memory of `counts`.

        NaN or an infinity where the counts are below what the surroundings alone would give.
        """
        if self.gain is None or self.offset is None:
            if isinstance(self.law, Linear):
                return self.law.apparent(counts)
            return self.law.kelvin_of_signal(self.law.signal_of_counts(counts))
        signal = self.law.signal_of_counts(counts)
        signal *= self.gain
        signal -= self.offset
        return self.law.kelvin_of_signal(signal)


def make_calibration(law: Linear | Planck, emissivity: _Exact, around: Surroundings) -> Calibration:
    """Return the calibration for surfaces.

    Args:
        law: the camera's.
        emissivity: of every surface, float64[n], above 0, at most 1.
        around: what stands between.
    """
    if around.transmission == 1.0 and bool(np.all(emissivity == 1.0)):
        return Calibration(law, None, None)
    t = around.transmission
    reflected = law.signal(np.float64(around.reflected_K))  # type: ignore[arg-type]
    window = law.signal(np.float64(around.window_K))  # type: ignore[arg-type]
    offset = ((1.0 - emissivity) * t * reflected + (1.0 - t) * window) / (t * emissivity)
    return Calibration(law, (1.0 / (t * emissivity)).astype(np.float32), offset.astype(np.float32))


def counts_of(law: Linear | Planck, kelvin: _Exact, emissivity: _Exact | float, around: Surroundings) -> _Exact:
    """Return the counts that a camera gives for surfaces: the other way round, for tests and simulation."""
    t = around.transmission
    reflected = law.signal(np.float64(around.reflected_K))  # type: ignore[arg-type]
    window = law.signal(np.float64(around.window_K))  # type: ignore[arg-type]
    seen = t * emissivity * law.signal(kelvin) + t * (1.0 - np.asarray(emissivity)) * reflected + (1.0 - t) * window
    return law.counts(seen)
