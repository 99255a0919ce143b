"""Makes the camera that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.capture.folder import FolderSource
from agent.capture.frame import FrameSource
from agent.capture.genicam import GenicamSource
from agent.capture.simulated import SimulatedCamera
from agent.capture_settings import Capture
from agent.plant import Plant
from cosmic.errors import ConfigurationError
from thermal.part import Part

if TYPE_CHECKING:
    from agent.capture.mapping import Mapper
    from agent.capture.registered import RegisteredCamera


def make_camera(settings: Capture, part: Part, plant: Plant) -> SimulatedCamera | RegisteredCamera:
    """Return the camera, not yet open: it is used with `async with`.

    Raises:
        InputError: a setting or a file that it names cannot be used.
    """
    if settings.source == "simulated":
        return SimulatedCamera(plant, noise_K=settings.noise_K, seed=settings.seed)
    # What maps frames takes 13 MB of scipy, which an agent with a simulated camera need not hold.
    from agent.capture.registered import RegisteredCamera  # noqa: PLC0415

    return RegisteredCamera(make_source(settings), make_mapper(settings, part), settings.limit_ms / 1e3)


def make_source(settings: Capture) -> FrameSource:
    """Return where frames come from. Raises ConfigurationError."""
    return FolderSource(settings.folder) if settings.source == "folder" else GenicamSource(settings.genicam)


def make_mapper(settings: Capture, part: Part) -> Mapper:
    """Return what makes maps of frames.

    Raises:
        InputError: the registration, the mask or the calibration cannot be used.
    """
    from agent.capture.badpixels import bad_pixels  # noqa: PLC0415
    from agent.capture.mapping import Mapper  # noqa: PLC0415
    from agent.capture.registration import load_registration  # noqa: PLC0415
    from agent.capture.resampling import Placement  # noqa: PLC0415

    if not settings.registration.file:
        raise ConfigurationError(
            "no registration is named",
            where="capture.registration.file",
            why="a real camera's frame must be laid over the build plate",
            remedy="make one with 'cosmic-agent capture register'",
        )
    registration = load_registration(Path(settings.registration.file))
    calibration = settings.calibration
    mask = Path(calibration.bad_pixels_file) if calibration.bad_pixels_file else None
    bad = bad_pixels(mask, calibration.bad_pixels, registration.frame_px)
    placement = Placement(settings.registration.part_at_mm, settings.registration.part_turn_deg)
    return Mapper(part, registration, placement, calibration, settings.checks, bad if bad.any() else None)
