"""From a frame to a layer's map: one conversion to float32, one sparse product, the calibration in place.

What a layer needs is made once for its geometry and the one below (tenths of a second), and kept for the last few.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from agent.capture.checks import Freezing, check_range, check_saturation, check_size
from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame
from agent.capture.outline import OutlineCheck, make_outline_check, margin_px
from agent.capture.radiometry import Calibration, Linear, Planck, Surroundings, make_calibration
from agent.capture.registration import Registration
from agent.capture.resampling import Placement, Resampling, element_centres_mm, make_resampling
from agent.capture_settings import CalibrationSettings, Checks
from cosmic.errors import ConfigurationError
from thermal.geometry import Geometry
from thermal.part import Part

_log = structlog.get_logger()

KEPT = 4
"""Geometries whose matrix is kept; the oldest goes first."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a layer needs.

    Attributes:
        resampling: the matrix; elements outside the frame have the row of the nearest inside.
        calibration: counts to kelvin for every element.
        outline: where the edge of the layer below must be seen; None: not looked for.
        outside: elements outside the frame.
    """

    resampling: Resampling
    calibration: Calibration
    outline: OutlineCheck | None
    outside: int


def make_law(settings: CalibrationSettings) -> Linear | Planck:
    """Return the law of the settings.

    Raises:
        ConfigurationError: a value that the law needs is missing.
    """
    if settings.law == "linear":
        return Linear(settings.scale_K, settings.offset_K, settings.wavelength_um)
    if settings.planck_R is None or settings.planck_B_K is None:
        raise ConfigurationError(
            "law 'planck' needs planck_R and planck_B_K",
            where="capture.calibration",
            remedy="take them from the camera's calibration sheet, or from its features R and B",
        )
    return Planck(settings.planck_R, settings.planck_B_K, settings.planck_F, settings.planck_O)


class Mapper:
    """Makes maps of the layers of `part`. May be used from any thread, by one at a time.

    bad: bool[height, width], pixels that their neighbours replace.
    """

    def __init__(
        self,
        part: Part,
        registration: Registration,
        placement: Placement,
        calibration: CalibrationSettings,
        checks: Checks,
        bad: NDArray[np.bool_] | None = None,
    ) -> None:
        self.part = part
        self.registration = registration
        self.placement = placement
        self._calibration = calibration
        self._checks = checks
        self._bad = bad
        self._law = make_law(calibration)
        self._around = Surroundings(calibration.reflected_K, calibration.window_transmission, calibration.window_K)
        limit_px = checks.outline_shift_max_px
        self._margin_px = 0 if limit_px is None else margin_px(limit_px)
        self._freezing = Freezing()
        self._kept: OrderedDict[tuple[int, int], Prepared] = OrderedDict()
        self._counts = np.empty((0, 0), dtype=np.float32)
        self._building, self._mapping = threading.Lock(), threading.Lock()

    def prepare(self, layer: int) -> Prepared:
        """Return what `layer` needs, made now or before.

        Raises:
            FrameFault: too much of the layer lies outside the frame.
        """
        geometry = self.part.geometry_of(layer)
        below = self.part.geometry_of(layer - 1) if layer > 0 else None
        key = (geometry.number, -1 if below is None else below.number)
        with self._building:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = self._make(layer, geometry, below)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
        return found

    def map_K(self, layer: int, frame: Frame) -> NDArray[np.float32]:
        """Return the map of `layer`, float32[n], kelvin. Reads the frame once.

        Raises:
            FrameFault: the frame has another size, or is frozen, saturated, misregistered or out of range.
        """
        check_size(frame, self.registration.frame_px)
        prepared = self.prepare(layer)
        with self._mapping:
            counts = self._converted(frame, prepared.resampling)
            if self._checks.frozen:
                self._freezing.check(counts, frame)
            check_saturation(counts, frame, self._checks)
            seen = prepared.resampling.weights @ counts.ravel()
            map_K = prepared.calibration.kelvin(seen)
            check_range(map_K, frame.where, self._checks)
            if prepared.outline is not None:
                prepared.outline.check(counts, frame.where)
        return map_K

    def _converted(self, frame: Frame, resampling: Resampling) -> NDArray[np.float32]:
        """Return the part of the frame that is read as float32[rows, columns]: the one copy that is made of it."""
        left, top, right, bottom = resampling.window
        if self._counts.shape != (bottom - top, right - left):
            self._counts = np.empty((bottom - top, right - left), dtype=np.float32)
        np.copyto(self._counts, frame.pixels[top:bottom, left:right], casting="unsafe")
        return self._counts

    def _make(self, layer: int, geometry: Geometry, below: Geometry | None) -> Prepared:
        dx_mm = geometry.dx_m * 1e3
        origin_mm = (geometry.origin_m[0] * 1e3, geometry.origin_m[1] * 1e3)
        centres = element_centres_mm(dx_mm, origin_mm, geometry.row, geometry.col)
        resampling = make_resampling(centres, dx_mm, self.placement, self.registration, self._bad, self._margin_px)
        self._check_coverage(layer, geometry, centres, resampling)
        outside = resampling.outside
        if outside.size:
            resampling = _filled(resampling, centres)
        solid = over_metal(geometry, below)
        powder, metal = self._calibration.emissivity_powder, self._calibration.emissivity_solid
        emissivity = np.where(solid, metal, powder)
        calibration = make_calibration(self._law, emissivity, self._around)
        return Prepared(resampling, calibration, self._outline(below, resampling), int(outside.size))

    def _outline(self, below: Geometry | None, resampling: Resampling) -> OutlineCheck | None:
        limit_px = self._checks.outline_shift_max_px
        if limit_px is None or below is None:
            return None
        plain = make_calibration(self._law, np.array([self._calibration.emissivity_solid]), self._around)
        check = make_outline_check(
            below,
            self.placement,
            self.registration,
            resampling.window,
            plain,
            limit_px,
            self._checks.outline_contrast_min_K,
        )
        if check is None:
            _log.warning(
                "outline_not_checked",
                geometry=below.number,
                cause="too little of the outline lies inside the frame",
                remedy="let the camera see more around the part",
            )
        return check

    def _check_coverage(
        self, layer: int, geometry: Geometry, centres: NDArray[np.float64], resampling: Resampling
    ) -> None:
        covered = float(resampling.coverage.mean(dtype=np.float64))
        if covered >= self._checks.coverage_min and covered > 0.0:
            return
        first = int(np.argmin(resampling.coverage))
        x, y = centres[first]
        raise FrameFault(
            FaultKind.MISREGISTERED,
            f"{np.count_nonzero(resampling.coverage < 1.0)} of {geometry.elements} elements of layer {layer} lie"
            f" outside the frame, the first at x {x:.1f} mm, y {y:.1f} mm of the part (row {geometry.row[first]},"
            f" column {geometry.col[first]})",
            where="capture.registration",
            why=f"{covered:.1%} of the layer is covered, {self._checks.coverage_min:.1%} must be"
            " (capture.checks.coverage_min)",
            remedy="check capture.registration.part_at_mm, or let the camera see the whole part",
        )


def over_metal(geometry: Geometry, below: Geometry | None) -> NDArray[np.bool_]:
    """Return which elements have metal below them, bool[n]: all of the first layer, whose metal is the plate's."""
    if below is None:
        return np.ones(geometry.elements, dtype=np.bool_)
    if below.number == geometry.number:
        return np.ones(geometry.elements, dtype=np.bool_)
    shift = [round((b - a) / geometry.dx_m) for a, b in zip(below.origin_m, geometry.origin_m, strict=True)]
    wide = int(max(below.col.max(), (geometry.col + shift[0]).max())) + 2
    here = (geometry.row + shift[1]).astype(np.int64) * wide + geometry.col + shift[0]
    inside = geometry.col + shift[0] >= 0
    return np.asarray(np.isin(here, below.row.astype(np.int64) * wide + below.col) & inside, dtype=np.bool_)


def _filled(resampling: Resampling, centres: NDArray[np.float64]) -> Resampling:
    """Return the matrix with rows of elements outside the frame taken from the nearest inside."""
    inside = np.flatnonzero(resampling.coverage > 0.0)
    source = np.arange(len(centres))
    outside = resampling.outside
    source[outside] = inside[cKDTree(centres[inside]).query(centres[outside])[1]]
    weights = resampling.weights[source]
    return Resampling(weights, resampling.window, resampling.coverage, resampling.pixels_per_element)
