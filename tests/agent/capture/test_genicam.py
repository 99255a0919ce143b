"""A real GigE Vision camera process on loopback, read through Aravis: frames are not copied, and it may go away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from agent.capture.faults import FaultKind, FrameFault
from agent.capture.frame import Frame
from agent.capture.genicam import GenicamSource
from agent.capture_settings import Genicam
from tests.agent.capture.fake_camera import FakeCamera, fake_camera


def with_camera(
    work: Callable[[GenicamSource, FakeCamera], Awaitable[None]], lost_per_thousand: int = 0, **settings: Any
) -> None:
    """Do `work` with a source of the fake camera."""
    chosen = {"camera": "GV01", "byte_order": "big", "frame_rate_Hz": 100.0, "backoff_min_s": 0.05}

    async def run(camera: FakeCamera) -> None:
        source = GenicamSource(Genicam(**(chosen | settings)))
        await source.open()
        try:
            await work(source, camera)
        finally:
            await source.close()

    with fake_camera(lost_per_thousand) as camera:
        asyncio.run(run(camera))


async def first_frame(source: GenicamSource) -> Frame:
    """Return a frame as soon as the camera is there, also if the camera process was slower than its reader."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await source.frame(0, 10.0)
            except FrameFault:
                await asyncio.sleep(0.05)


def right_pattern(frame: Frame) -> bool:
    v, u = np.mgrid[0 : frame.pixels.shape[0], 0 : frame.pixels.shape[1]]
    assert frame.identity is not None
    return bool(np.array_equal(frame.pixels, (u + v + frame.identity[0]) % 65535))


@pytest.mark.parametrize("trigger", ["free", "software"])
def test_every_frame_is_a_new_one_taken_after_it_was_asked_for_and_lies_in_shared_memory(trigger: str) -> None:
    async def work(source: GenicamSource, camera: FakeCamera) -> None:
        frame, seen = await first_frame(source), []
        for _ in range(6):  # more than there are buffers: they go back to the camera
            frame.release()
            asked_s = time.monotonic()
            frame = await source.frame(0, 5.0)
            assert frame.arrived_s > asked_s
            assert right_pattern(frame), "every pixel of this frame, and of no other"
            assert not frame.pixels.flags.owndata
            assert not frame.pixels.flags.writeable
            assert frame.counts_max == 65535.0
            seen.append(frame.identity)
        frame.release()
        assert len(set(seen)) == 6

    with_camera(work, trigger=trigger)


def test_a_camera_that_is_unplugged_is_named_and_found_again_when_it_is_back() -> None:
    async def work(source: GenicamSource, camera: FakeCamera) -> None:
        (await first_frame(source)).release()
        camera.unplug()
        with pytest.raises(FrameFault) as caught:
            await source.frame(0, 1.5)
        assert caught.value.kind is FaultKind.UNPLUGGED
        assert caught.value.remedy
        camera.plug()
        frame = await first_frame(source)
        assert right_pattern(frame)
        frame.release()

    with_camera(work)


def test_a_reader_that_dies_is_started_anew() -> None:
    async def work(source: GenicamSource, camera: FakeCamera) -> None:
        (await first_frame(source)).release()
        process = source._process
        assert process is not None
        process.kill()
        with pytest.raises(FrameFault, match="the process that reads the camera ended"):
            await source.frame(0, 5.0)
        (await first_frame(source)).release()
        assert source._process is not process

    with_camera(work)


def test_lost_packets_make_a_frame_that_is_named_and_not_taken() -> None:
    async def work(source: GenicamSource, camera: FakeCamera) -> None:
        async with asyncio.timeout(20):
            while True:  # connecting may come first
                with pytest.raises(FrameFault) as caught:
                    (await source.frame(0, 3.0)).release()
                if caught.value.kind is FaultKind.HALF_WRITTEN:
                    break
                await asyncio.sleep(0.05)
        assert "packets were lost" in str(caught.value)

    with_camera(work, lost_per_thousand=600)


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"pixel_format": "Mono14"}, FaultKind.FORMAT, "Mono14 is refused; the camera has .*Mono16"),
        ({"camera": "GV99"}, FaultKind.UNPLUGGED, "camera 'GV99' is not found"),
        ({"python": "/nowhere/python3"}, FaultKind.UNPLUGGED, "/nowhere/python3 cannot be started"),
        ({"features": {"NoSuchFeature": 3}}, FaultKind.UNPLUGGED, "feature NoSuchFeature = 3 is refused"),
    ],
)
def test_settings_that_the_camera_cannot_follow_are_named(
    settings: dict[str, Any], kind: FaultKind, says: str
) -> None:
    async def work(source: GenicamSource, camera: FakeCamera) -> None:
        async with asyncio.timeout(20):
            while True:  # the camera's process may be slower than its reader
                with pytest.raises(FrameFault) as caught:
                    await source.frame(0, 10.0)
                if caught.value.kind is kind and "found: none" not in str(caught.value):
                    break
                await asyncio.sleep(0.05)
        caught.match(says)

    with_camera(work, **settings)
