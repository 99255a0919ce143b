"""The settings of the section `capture`: where frames come from and how they become maps."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
PositiveShare = Annotated[float, Meta(gt=0.0, le=1.0)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: they are values, and unknown keys are errors."""


class Folder(_Section, frozen=True, kw_only=True):
    """Frames that a monitoring system writes into a folder; TIFF and PNG need the extra `camera`."""

    directory: str = ""
    """Folder in which frames appear."""
    pattern: Annotated[str, Meta(min_length=1, max_length=256)] = "*"
    """Which files are frames, with `*` and `?`; `{layer:05d}` stands for the layer's number in five digits."""
    layer_offset: int = 0
    """What is added to the agent's layer number (from 0) for `{layer}`."""
    settle_ms: NotNegative = 40.0
    """How long a file must not have changed before it is read, ms; 0 where files are renamed into place."""
    poll_ms: Annotated[float, Meta(ge=1.0, le=10_000.0)] = 20.0
    """How often the folder is looked at while a frame is waited for, ms."""
    early_ms: NotNegative = 0.0
    """How long before the layer is ready its frame may have been written, ms, by the clock of the files."""
    files_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    """Most files that the folder may hold."""


class Genicam(_Section, frozen=True, kw_only=True):
    """A GigE Vision or USB3 Vision camera (Debian packages `gir1.2-aravis-0.8` and `python3-gi`)."""

    camera: Annotated[str, Meta(max_length=256)] = ""
    """The camera's identifier, serial number or IP address; unset: the first one found."""
    pixel_format: Literal["Mono8", "Mono10", "Mono12", "Mono14", "Mono16"] = "Mono16"
    byte_order: Literal["little", "big"] = "little"
    """Order of the bytes of a pixel: the standard's is `little`."""
    trigger: Literal["free", "software"] = "free"
    """`free`: the camera runs, and a frame after the layer is ready counts; `software`: it is triggered then."""
    skip_frames: Annotated[int, Meta(ge=0, le=100)] = 1
    """Frames let by after the layer is ready when the camera runs free: the first may have been exposed before."""
    width_px: Annotated[int, Meta(ge=1)] | None = None
    """Width of the frame; unset: as the camera is set."""
    height_px: Annotated[int, Meta(ge=1)] | None = None
    exposure_us: Positive | None = None
    """Exposure time, us; unset: as the camera is set."""
    frame_rate_Hz: Positive | None = None
    """Frames a second when the camera runs free; unset: as the camera is set."""
    features: dict[str, str | bool | int | float] = field(default_factory=dict)
    """Other features of the camera to be set at the start, for example `IRFormat = "TemperatureLinear10mK"`."""
    buffers: Annotated[int, Meta(ge=2, le=64)] = 4
    """Frames that the shared memory holds."""
    python: str = "/usr/bin/python3"
    """The Python that has Aravis: the system's."""
    connect_s: Positive = 15.0
    """How long finding and starting the camera may take, seconds; then it is tried anew."""
    backoff_min_s: Positive = 0.5
    """Shortest pause before connecting again, seconds; doubles with every failure."""
    backoff_max_s: Positive = 10.0
    """Longest pause before connecting again, seconds."""


class CalibrationSettings(_Section, frozen=True, kw_only=True):
    """From counts to kelvin."""

    law: Literal["linear", "planck"] = "linear"
    """`linear`: kelvin = `scale_K` x counts + `offset_K`; `planck`: kelvin = B / ln(R / (counts - O) + F)."""
    scale_K: Positive = 0.1
    """Kelvin of one count; temperature-linear modes have 0.01, 0.04, 0.1 or 0.4."""
    offset_K: float = 0.0
    """Kelvin at count 0."""
    planck_R: Positive | None = None
    """R of the camera's calibration, counts."""
    planck_B_K: Positive | None = None
    """B of the camera's calibration, kelvin."""
    planck_F: float = 1.0
    """F of the camera's calibration."""
    planck_O: float = 0.0
    """O of the camera's calibration, counts."""
    emissivity_powder: PositiveShare = 1.0
    """Emissivity where powder lies on powder."""
    emissivity_solid: PositiveShare = 1.0
    """Emissivity where the layer below is metal; the first layer lies on the plate."""
    reflected_K: Positive = 293.0
    """Apparent temperature of what the surface mirrors, kelvin."""
    window_transmission: PositiveShare = 1.0
    """Share of the radiation that the window of the chamber lets through."""
    window_K: Positive = 293.0
    """Temperature of that window, kelvin."""
    wavelength_um: Annotated[float, Meta(ge=0.5, le=20.0)] = 10.0
    """Wavelength at which `linear` takes emissivity and window into account, um."""
    bad_pixels: list[tuple[int, int]] = field(default_factory=list)
    """Column and row of pixels that their neighbours replace."""
    bad_pixels_file: str = ""
    """A mask of the frame's size, not 0 where a pixel is bad; `cosmic-agent capture bad-pixels` makes one."""


class RegistrationSettings(_Section, frozen=True, kw_only=True):
    """Where the frame lies on the build plate, and the part."""

    file: str = ""
    """What `cosmic-agent capture register` wrote."""
    part_at_mm: tuple[float, float] = (0.0, 0.0)
    """x and y of the part's origin on the build plate, mm."""
    part_turn_deg: float = 0.0
    """Angle by which the part is turned on the plate, degrees, counter-clockwise."""


class Checks(_Section, frozen=True, kw_only=True):
    """What makes a frame faulty."""

    saturated_counts: Positive | None = None
    """Counts at which a pixel is saturated; unset: the highest of the pixel format."""
    saturated_share_max: Share = 0.01
    """Largest share of saturated pixels."""
    frozen: bool = True
    """Refuse a frame that is the one before."""
    coverage_min: PositiveShare = 1.0
    """Least share of the layer that must lie in the frame; elements outside get the value of the nearest inside."""
    min_K: NotNegative = 200.0
    """Coldest temperature that can be, kelvin."""
    max_K: Annotated[float, Meta(gt=0.0, le=5000.0)] = 3500.0
    """Hottest temperature that can be, kelvin."""
    outline_shift_max_px: Positive | None = None
    """How far the outline of the layer below may be seen from where it must be, pixels; unset: not looked for."""
    outline_contrast_min_K: Positive = 5.0
    """Least contrast along the outline at which it is believed, kelvin."""


class Capture(_Section, frozen=True, kw_only=True):
    """The infrared camera."""

    source: Literal["simulated", "folder", "genicam"] = "simulated"
    """Where frames come from."""
    limit_ms: Positive = 1000.0
    """How long a frame is waited for, ms; then the layer starts without."""
    on_fault: Literal["predicted", "ambient"] = "predicted"
    """What a layer without a usable frame starts from: the map predicted from the layer below, or ambient."""
    noise_K: NotNegative = 1.0
    """Standard deviation of the simulated camera's noise, kelvin."""
    residual: Share = 0.9
    """Share of the layer below's remaining heat that the simulated camera sees through the new powder."""
    seed: Annotated[int, Meta(ge=0)] = 0
    folder: Folder = field(default_factory=Folder)
    genicam: Genicam = field(default_factory=Genicam)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    checks: Checks = field(default_factory=Checks)
