# ruff: noqa: PLC0415  slow imports wait until the command is really run
"""`cosmic-agent capture`: take one frame and look at it, register the camera, find its bad pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import DebugOption, JsonOption, print_json, print_lines, result_console
from cosmic.errors import CosmicError, InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.capture.frame import Frame
    from agent.capture.registration import Registration

app = typer.Typer(
    help="Take one frame and look at it, register the camera, find its bad pixels.",
    epilog="Example: cosmic-agent capture once --plot out.png --config agent.toml",
    no_args_is_help=True,
)


@app.command("once", epilog="Example: cosmic-agent capture once --plot out.png --config agent.toml")
def once(
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file; unset: defaults and environment.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw frame, registration and map into this PNG.")
    ] = None,
    layer: Annotated[int, typer.Option("--layer", min=0, help="The layer whose map is made.")] = 0,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the map, float32[n], kelvin, to this .npy.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Take one frame and make a layer's map of it. Of a folder, the newest complete file is taken, however old."""
    import asyncio
    import sys

    from agent.capture.once import take_once
    from agent.configuration import AgentConfiguration
    from agent.part_source import find_part
    from agent.uplink.credentials import read_token, tls_context
    from cosmic import configuration, logs

    settings = configuration.load(AgentConfiguration, config)
    logs.configure(sys.stderr, pretty=settings.log.pretty, level=settings.log.level)
    part = find_part(settings, read_token(settings.uplink), tls_context(settings.uplink))
    part.geometry_of(layer)
    taken = asyncio.run(take_once(settings.capture, part, layer))
    if plot is not None:
        from agent.capture.drawing import draw

        draw(taken.shot, plot)
    if save is not None and taken.shot.map_K is not None:
        _save(taken.shot.map_K, save)
    if taken.fault is not None:
        if plot is not None:
            print_lines(f"the frame is drawn in {plot}") if not json else None
        raise taken.fault
    if json:
        print_json({**taken.document, "plot": str(plot or ""), "map": str(save or "")})
        return
    print_lines(taken.shot.title, *(f"  {name:<13} {value}" for name, value in taken.shot.figures))
    written = [f"{what}: {path}" for what, path in (("plot", plot), ("map", save)) if path is not None]
    if written:
        print_lines(", ".join(written))


@app.command(
    "register", epilog="Example: cosmic-agent capture register points.csv --frame f.tif -o registration.json"
)
def register_camera(
    points: Annotated[Path, typer.Argument(help="CSV with u_px,v_px,x_mm,y_mm,name, or TOML with [[points]].")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File that capture.registration.file then names.")],
    frame: Annotated[Path | None, typer.Option("--frame", help="A frame of the camera: says its size.")] = None,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Or the size itself, pixels: 640x480.")] = "",
    lens: Annotated[bool, typer.Option("--lens", help="Find the lens's distortion as well; eight points.")] = False,
    limit_px: Annotated[
        float, typer.Option("--limit-px", min=0.0, help="Largest residual accepted, pixels.")
    ] = 5.0,
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Find where the build plate lies in the frame, from points known in both; tell the residual of each."""
    from agent.capture.homography import RegistrationError
    from agent.capture.pointsfile import read_points
    from agent.capture.registration import register, save_registration

    found, size_in_file = read_points(points)
    registration = register(found, _frame_size(frame, size, size_in_file), lens=lens)
    worst = max(registration.points, key=lambda point: point.residual_px)
    if worst.residual_px > limit_px:
        if not json:
            _show(registration)
        raise RegistrationError(
            f"point {worst.name} is {worst.residual_px:.1f} px ({worst.residual_mm:.2f} mm) off",
            where=str(points),
            why=f"at most {limit_px:g} px are accepted (--limit-px)",
            remedy="check that point; with a wide lens try --lens",
        )
    save_registration(registration, output)
    if json:
        import msgspec

        print_json({**msgspec.to_builtins(registration), "file": str(output)})
        return
    _show(registration)
    print_lines(f"{output}: name it in capture.registration.file")


@app.command("bad-pixels", epilog="Example: cosmic-agent capture bad-pixels dark.tif flat.tif -o bad.npy")
def find_bad(
    dark: Annotated[Path, typer.Argument(help="Frame of something even and cold: the shutter closed.")],
    flat: Annotated[Path, typer.Argument(help="Frame of something even and warmer.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Mask for capture.calibration.bad_pixels_file.")],
    json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001  taken by cosmic.commands.run
) -> None:
    """Find dead and hot pixels in two frames, and write the mask that has them replaced by their neighbours."""
    import numpy as np

    from agent.capture.badpixels import find_bad_pixels

    frames = [np.asarray(_read(path).pixels, dtype=np.float64) for path in (dark, flat)]
    if frames[0].shape != frames[1].shape:
        raise InputError("the two frames have different sizes", where=f"{dark}, {flat}", remedy="use one camera's")
    bad = find_bad_pixels(frames[0], frames[1])
    _save(bad.astype(np.uint8), output)
    count, share = int(np.count_nonzero(bad)), float(bad.mean())
    if json:
        print_json({"bad": count, "pixels": bad.size, "file": str(output)})
        return
    print_lines(
        f"{count} of {bad.size} pixels ({share:.2%}) are bad",
        f"{output}: name it in capture.calibration.bad_pixels_file",
    )


def _frame_size(frame: Path | None, size: str, in_file: tuple[int, int] | None) -> tuple[int, int]:
    if frame is not None:
        return _read(frame).size_px
    if size:
        width, _, height = size.lower().partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise UsageError(f"'{size}' is no size", where="--size", remedy="give width and height: 640x480")
        return int(width), int(height)
    if in_file is None:
        raise UsageError(
            "the frame's size is not known", where="--frame", remedy="give --frame FILE or --size 640x480"
        )
    return in_file


def _read(path: Path) -> Frame:
    from agent.capture.framefiles import IncompleteError, read_frame

    try:
        return read_frame(path)
    except IncompleteError as error:
        raise InputError(f"the file is not whole: {error}", where=str(path), remedy="copy it again") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), remedy="check the path") from error
    except CosmicError as error:
        raise InputError(error.what, where=error.where, why=error.why, remedy=error.remedy) from error


def _save(array: NDArray[Any], path: Path) -> None:
    import numpy as np

    try:
        with path.open("wb") as file:
            np.save(file, array)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="check the folder"
        ) from error


def _show(registration: Registration) -> None:
    """Print every point with its residual."""
    from rich.table import Table

    table = Table(
        "point", "u px", "v px", "x mm", "y mm", "residual px", "residual mm", box=None, header_style="bold"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for point in registration.points:
        values = (*point.pixel, *point.plate_mm, point.residual_px, point.residual_mm)
        texts = [f"{value:.{digits}f}" for value, digits in zip(values, (1, 1, 2, 2, 2, 3), strict=True)]
        table.add_row(point.name, *texts)
    result_console().print(table)
    lens = "" if registration.lens is None else f", lens k1 {registration.lens.k1:+.4f}"
    print_lines(f"{len(registration.points)} points, {registration.rms_px:.2f} px rms{lens}")
    if len(registration.points) == 4:
        print_lines("four points always fit: a fifth and sixth would show a mistake")
