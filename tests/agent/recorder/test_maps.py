"""Maps are stored bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.recorder.errors import RecordingError
from agent.recorder.maps import decode_map, encode_map

KELVINS = arrays.arrays(
    np.float32, st.integers(1, 300), elements=st.floats(0.0, 5000.0, width=32, allow_subnormal=True)
)


@given(KELVINS)
def test_every_map_comes_back_bit_for_bit(map_K: np.ndarray) -> None:
    assert decode_map(encode_map(map_K), map_K.size).tobytes() == map_K.tobytes()


def test_a_noisy_map_of_16_cm2_takes_far_less_than_its_bytes() -> None:
    y, x = np.mgrid[0:200, 0:200] / 200.0
    smooth = 400.0 + 150.0 * np.sin(3 * x) * np.cos(2 * y)
    map_K = (smooth + np.random.default_rng(0).normal(0.0, 1.0, x.shape)).astype(np.float32).ravel()
    coded = encode_map(map_K)
    assert len(coded) * 3 / 4 < 0.6 * map_K.nbytes, "the noise alone fills 17 of 32 bits"
    assert decode_map(coded, map_K.size).tobytes() == map_K.tobytes()


@pytest.mark.parametrize("damage", ["", "AAAA", "not base64!", encode_map(np.ones(9, dtype=np.float32))[:-8]])
def test_a_map_that_is_damaged_is_named(damage: str) -> None:
    with pytest.raises(RecordingError, match="a map cannot be decoded"):
        decode_map(damage, 9)


def test_another_length_than_said_is_named() -> None:
    with pytest.raises(RecordingError, match="expected were 8"):
        decode_map(encode_map(np.linspace(290, 900, 7, dtype=np.float32)), 8)


def test_a_coding_of_a_newer_version_is_named() -> None:
    with pytest.raises(RecordingError, match="'wavelets'"):
        decode_map("AAAA", 1, "wavelets")
