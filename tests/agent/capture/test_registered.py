"""A whole job with a real camera's frames from a folder: what is faulty is said, and the layer goes on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from agent.capture.choose import make_camera
from agent.capture.registration import save_registration
from agent.capture_settings import CalibrationSettings, Capture, Folder, RegistrationSettings
from agent.plant import Plant
from agent.printing.maps import FirstMap, Maps
from cosmic.errors import CaptureError, ConfigurationError
from tests.agent.capture.views import oblique
from thermal.part import Part

WAIT_S = 20.0
"""Longest wait: only a failing test waits as long."""


def settings(folder: Path, **changes: Any) -> Capture:
    save_registration(oblique(), folder / "registration.json")
    return Capture(
        **{
            "source": "folder",
            "limit_ms": 1500.0,
            "folder": Folder(directory=str(folder / "frames"), poll_ms=2.0, settle_ms=0.0),
            "registration": RegistrationSettings(file=str(folder / "registration.json")),
            "calibration": CalibrationSettings(scale_K=0.1),
        }
        | changes
    )


def drop(folder: Path, name: str, kelvin: float, noise: int) -> None:
    counts = np.full((120, 160), kelvin / 0.1) + np.random.default_rng(noise).normal(0, 2, (120, 160))
    (folder / "frames" / f".{name}.npy").write_bytes(b"")
    with (folder / "frames" / f".{name}.npy").open("wb") as file:
        np.save(file, counts.astype(np.uint16))
    (folder / "frames" / f".{name}.npy").rename(folder / "frames" / f"{name}.npy")


def looked(camera: Any) -> threading.Event:
    """Return what is set when the camera has seen which files lie there before the frame: later ones are new."""
    seen = threading.Event()
    folder = camera.source
    listed = type(folder)._list

    def list_and_tell(layer: int) -> dict[str, Any]:
        found = listed(folder, layer)
        seen.set()
        return found

    folder._list = list_and_tell
    return seen


def three_layers(part: Part, chosen: Capture, folder: Path, fault_at: int) -> list[FirstMap]:
    """Take three layers' maps; the frame of `fault_at` does not come."""

    async def take() -> list[FirstMap]:
        async with make_camera(chosen, part, Plant(part, 0.9)) as camera:
            maps, found = Maps(part, camera, chosen.limit_ms / 1e3, chosen.on_fault), []
            for layer in range(3):
                waits = looked(camera)
                taking = asyncio.create_task(maps.take(layer))
                await asyncio.to_thread(waits.wait, WAIT_S)
                if layer != fault_at:
                    drop(folder, f"frame{layer}", 400.0 + layer, noise=layer)
                first = await taking
                maps.printed(layer, first.map_K, list(range(36)))
                found.append(first)
            return found

    (folder / "frames").mkdir()
    return asyncio.run(take())


@pytest.mark.parametrize("on_fault", ["predicted", "ambient"])
def test_a_missing_frame_is_named_and_the_layer_goes_on_as_configured(
    square: Part, tmp_path: Path, on_fault: str
) -> None:
    with capture_logs() as lines:
        found = three_layers(square, settings(tmp_path, on_fault=on_fault), tmp_path, fault_at=1)
    assert [first.map_from for first in found] == ["camera", on_fault, "camera"]
    assert found[0].map_K.mean() == pytest.approx(400.0, abs=0.2)
    assert found[2].map_K.mean() == pytest.approx(402.0, abs=0.2)
    assert "missing: no new file" in found[1].cause
    assert "check that the monitoring system records" in found[1].cause
    if on_fault == "ambient":
        assert (found[1].map_K == np.float32(square.process.ambient_K)).all()
    else:
        assert found[1].map_K.mean() > found[0].map_K.mean(), "the layer below was heated"
    (line,) = [line for line in lines if line["event"] == "no_frame"]
    assert (line["layer"], line["map_from"], line["cause"]) == (1, on_fault, found[1].cause)


def test_what_nobody_foresaw_is_a_capture_error_and_no_traceback(
    square: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frames").mkdir()

    async def take() -> None:
        async with make_camera(settings(tmp_path), square, Plant(square, 0.9)) as camera:
            monkeypatch.setattr(camera.mapper, "map_K", lambda *_: 1 / 0)  # type: ignore[union-attr]
            waits = looked(camera)
            taking = asyncio.create_task(camera.capture(0))
            await asyncio.to_thread(waits.wait, WAIT_S)
            drop(tmp_path, "frame", 400.0, 1)
            with pytest.raises(CaptureError, match="ZeroDivisionError"):
                await taking

    asyncio.run(take())


def test_a_camera_without_a_registration_does_not_start(square: Part, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"capture\.registration\.file: no registration is named"):
        make_camera(settings(tmp_path, registration=RegistrationSettings()), square, Plant(square, 0.9))
