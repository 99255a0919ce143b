"""Pictures must be what their maps are: read back with another library."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agent.report.pictures import INFERNO, palette, png, raster_of, shades


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_png_holds_its_places(rows: int, columns: int, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, 256, rows * columns).astype(np.uint8)
    image = Image.open(io.BytesIO(png(places, rows, columns, palette(INFERNO))))
    image.load()
    assert (image.width, image.height, image.mode) == (columns, rows, "P")
    assert np.array_equal(np.asarray(image).ravel(), places)
    assert image.info["transparency"] in (0, b"\0")


@given(st.integers(1, 700), st.integers(1, 60), st.integers(1, 2000))
def test_squares_hold_the_mean_of_their_elements(rows: int, columns: int, maps: int) -> None:
    row, col = (axis.ravel().astype(np.int32) for axis in np.mgrid[0:rows, 0:columns])
    raster = raster_of(row, col, maps)
    assert max(raster.rows, raster.columns) <= 320
    values = row * 1.0
    means = raster.means(values).reshape(raster.rows, raster.columns)
    assert raster.filled.all()
    assert means[-1, 0] <= means[0, 0], "the highest row comes first"
    sizes = np.bincount(raster.square)
    assert np.isclose((means.ravel() * sizes).sum(), values.sum())


def test_the_scale_ends_where_it_says_and_holes_are_transparent() -> None:
    filled = np.array([True, True, True, False])
    found = shades(np.array([300.0, 400.0, 900.0, 350.0]), filled, 300.0, 400.0)
    assert found.tolist() == [1, 255, 255, 0]
