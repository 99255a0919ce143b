"""The sparse matrix that makes a map of a frame: bad pixels replaced, pixels averaged over every element.

Every element is sampled on a square grid of points, one or two a pixel, and the frame is read at each of them
between its four pixels (bilinear). Where pixels are small, that is their average by the area that they share with
the element; where pixels are larger than elements, it is interpolation. Weights of an element sum to 1; constants
are kept, and so is what changes linearly over the frame. The matrix is made once for a geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from agent.capture.registration import Registration

SIDE_MIN, SIDE_MAX = 2, 32
"""Points along an element's side."""

FINE_BELOW_PX = 6.0
"""Pixels along an element's side below which there are two points a pixel, else one: then weights are even."""

_CHUNK = 1_000_000
"""Points worked on at once: bounds the memory, about 100 MB."""

FILL_ROUNDS_MAX = 64
"""Widest cluster of bad pixels that is filled from its rim, pixels from the rim."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the part stands on the build plate.

    Attributes:
        at_mm: x and y of the part's origin on the plate.
        turn_deg: angle by which the part is turned on the plate, counter-clockwise.
    """

    at_mm: tuple[float, float] = (0.0, 0.0)
    turn_deg: float = 0.0

    def on_plate(self, part_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the part's frame, float64[..., 2], in the plate's, mm."""
        turn = np.deg2rad(self.turn_deg)
        cos, sin = np.cos(turn), np.sin(turn)
        x, y = part_mm[..., 0], part_mm[..., 1]
        placed: NDArray[np.float64] = np.stack((cos * x - sin * y, sin * x + cos * y), axis=-1)
        return placed + np.array(self.at_mm, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """How frames become maps.

    Attributes:
        weights: csr float32[n, pixels of `window`, row by row].
        window: left, top, right, bottom of the rectangle of the frame that is read; right and bottom are outside.
        coverage: float32[n], share of every element that lies inside the frame.
        pixels_per_element: mean scale, pixels along an element's side.
    """

    weights: csr_array[np.float32]
    window: tuple[int, int, int, int]
    coverage: NDArray[np.float32]
    pixels_per_element: float

    @property
    def outside(self) -> NDArray[np.int64]:
        """Elements of which nothing lies inside the frame, int64[...]: their rows are empty."""
        return np.flatnonzero(self.coverage == 0.0)


def element_centres_mm(
    dx_mm: float, origin_mm: tuple[float, float], row: NDArray[np.int32], col: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the centres of elements in the part's frame, float64[n, 2], mm."""
    return np.stack((origin_mm[0] + (col + 0.5) * dx_mm, origin_mm[1] + (row + 0.5) * dx_mm), axis=-1)


def make_resampling(
    centres_mm: NDArray[np.float64],
    dx_mm: float,
    placement: Placement,
    registration: Registration,
    bad: NDArray[np.bool_] | None = None,
    margin_px: int = 0,
) -> Resampling:
    """Return the matrix for elements.

    Args:
        centres_mm: float64[n, 2], in the part's frame.
        dx_mm: side of an element.
        placement: where the part stands.
        registration: where the plate lies in the frame.
        bad: bool[height, width], pixels to be replaced by their neighbours.
        margin_px: how much more of the frame is read around the elements, for checks.
    """
    width, height = registration.frame_px
    centre = placement.on_plate(centres_mm.mean(axis=0, keepdims=True))
    density = float(registration.pixels_per_mm(centre)[0]) * dx_mm
    wanted = np.ceil(density) if density >= FINE_BELOW_PX else np.round(2 * density)
    side = int(np.clip(np.nan_to_num(wanted), SIDE_MIN, SIDE_MAX))
    at = (np.arange(side) + 0.5) / side - 0.5
    within = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2) * dx_mm
    step = max(1, _CHUNK // len(within))
    chunks, coverage = [], np.zeros(len(centres_mm), dtype=np.float32)
    for start in range(0, len(centres_mm), step):
        some = centres_mm[start : start + step]
        seen = registration.project(placement.on_plate(some[:, None, :] + within))
        matrix, coverage[start : start + step] = _bilinear(seen, width, height)
        chunks.append(matrix)
    weights = _stacked(chunks)
    if bad is not None and bad.any():
        weights = (weights @ replacement(bad)).tocsr()
    return _cropped(weights, coverage, (width, height), margin_px, density)


def _bilinear(
    seen: NDArray[np.float64], width: int, height: int
) -> tuple[csr_array[np.float32], NDArray[np.float32]]:
    """Return the weights of elements seen at float64[elements, points, 2], and the share in the frame."""
    elements, points = seen.shape[:2]
    u, v = seen[..., 0].ravel(), seen[..., 1].ravel()
    with np.errstate(invalid="ignore"):
        inside = (u >= -0.5) & (u <= width - 0.5) & (v >= -0.5) & (v <= height - 0.5)
    element = np.repeat(np.arange(elements), points)[inside]
    # Half a pixel at the rim has no neighbour to read between.
    u, v = np.clip(u[inside], 0.0, width - 1.0), np.clip(v[inside], 0.0, height - 1.0)
    left = np.minimum(u.astype(np.int64), max(width - 2, 0))
    top = np.minimum(v.astype(np.int64), max(height - 2, 0))
    right_share, bottom_share = u - left, v - top
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    pixel = np.concatenate([row * width + col for row in (top, bottom) for col in (left, right)])
    weight = np.concatenate([
        (1 - bottom_share) * (1 - right_share), (1 - bottom_share) * right_share,
        bottom_share * (1 - right_share), bottom_share * right_share,
    ])  # fmt: skip
    count = np.bincount(element, minlength=elements)
    weight /= np.maximum(count, 1)[np.tile(element, 4)]
    matrix = csr_array((weight, (np.tile(element, 4), pixel)), shape=(elements, width * height))
    matrix.sum_duplicates()
    return matrix.astype(np.float32), (count / points).astype(np.float32)


def _stacked(chunks: list[csr_array[np.float32]]) -> csr_array[np.float32]:
    data = np.concatenate([chunk.data for chunk in chunks])
    indices = np.concatenate([chunk.indices for chunk in chunks])
    ends = np.concatenate([np.diff(chunk.indptr) for chunk in chunks])
    pointers = np.concatenate(([0], np.cumsum(ends)))
    return csr_array((data, indices, pointers), shape=(len(ends), chunks[0].shape[1]))


def _cropped(
    weights: csr_array[np.float32],
    coverage: NDArray[np.float32],
    frame_px: tuple[int, int],
    margin_px: int,
    density: float,
) -> Resampling:
    """Return the matrix over the rectangle of the frame that something is read from, weights summing to 1."""
    weights.eliminate_zeros()
    row, col = np.divmod(weights.indices, frame_px[0])
    (left, right), (top, bottom) = (
        (max(0, int(at.min()) - margin_px), min(size, int(at.max()) + 1 + margin_px)) if at.size else (0, 1)
        for at, size in zip((col, row), frame_px, strict=True)
    )
    indices = ((row - top) * (right - left) + col - left).astype(np.int32)
    shape = (weights.shape[0], (bottom - top) * (right - left))
    sums = np.add.reduceat(np.append(weights.data.astype(np.float64), 0.0), weights.indptr[:-1])
    each = np.diff(weights.indptr)
    data = (weights.data / np.repeat(np.where(each > 0, sums, 1.0), each)).astype(np.float32)
    cropped = csr_array((data, indices, weights.indptr.astype(np.int32)), shape=shape)
    return Resampling(cropped, (left, top, right, bottom), coverage, density)


def replacement(bad: NDArray[np.bool_]) -> csr_array[np.float32]:
    """Return the matrix csr float32[pixels, pixels] that puts the mean of good neighbours in place of bad pixels.

    Clusters are filled from their rim inwards; what lies deeper than 64 pixels stays as it is.
    """
    height, width = bad.shape
    pixels = bad.size
    filled = csr_array(diags_array((~bad).ravel().astype(np.float32)))
    known = ~bad
    for _ in range(FILL_ROUNDS_MAX):
        todo = np.flatnonzero(~known.ravel())
        if not todo.size:
            break
        pairs = []
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            row, col = todo // width + down, todo % width + right
            ok = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            ok[ok] = known[row[ok], col[ok]]
            pairs.append(np.stack((todo[ok], (row * width + col)[ok])))
        target, source = np.concatenate(pairs, axis=1)
        if not target.size:
            break
        share = 1.0 / np.bincount(target, minlength=pixels)[target]
        step = csr_array((share.astype(np.float32), (target, source)), shape=(pixels, pixels))
        filled = csr_array(filled + step @ filled)
        known = known.copy()
        known.ravel()[target] = True
    return filled
