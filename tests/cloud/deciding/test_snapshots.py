"""The states that a layer can go back to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.deciding.snapshots import Snapshots

STATE_BYTES = 80


def _state(window: int) -> np.ndarray:
    return np.full(STATE_BYTES // 8, float(window))


@given(windows=st.integers(1, 300), room=st.integers(2, 20))
def test_room_is_never_exceeded_and_the_first_state_is_always_there(windows: int, room: int) -> None:
    snapshots = Snapshots(room * STATE_BYTES)
    for window in range(windows):
        snapshots.keep(window, _state(window))
        assert snapshots.bytes_held <= room * STATE_BYTES
    for window in range(windows):
        at, state = snapshots.latest(window)
        assert at <= window
        assert state[0] == at
    assert snapshots.latest(0)[0] == 0


@given(windows=st.integers(2, 300), room=st.integers(2, 20))
def test_states_stay_spread_over_the_whole_layer(windows: int, room: int) -> None:
    snapshots = Snapshots(room * STATE_BYTES)
    for window in range(windows):
        snapshots.keep(window, _state(window))
    gaps = [window - snapshots.latest(window)[0] for window in range(windows)]
    assert max(gaps) <= 4 * windows / room + 1


def test_forgetting_keeps_the_state_that_can_still_be_gone_back_to() -> None:
    snapshots = Snapshots(1000 * STATE_BYTES)
    for window in range(10):
        snapshots.keep(window, _state(window))
    snapshots.forget_before(6)
    assert snapshots.latest(6)[0] == 6
    snapshots.forget_after(7)
    assert snapshots.latest(9)[0] == 7
    assert len(snapshots) == 2
