"""What is fuzzed: each parser with good input to begin with, and the errors that it documents."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agent.bundle.secrets import Scrubber
from agent.configuration import AgentConfiguration
from agent.driver.socket import lines
from agent.driver.socket.lines import decode as decode_line
from agent.recorder.reading import read as read_recording
from agent.sparkplug.schema import payload_class
from agent.sparkplug.session import Session
from cloud.access.tokens import TokenFile
from cloud.configuration import CoordinatorSettings
from cloud.link.frames import HEADER, FrameError, Kind, pack, unpack
from cloud.planner.platform import read_platform
from cloud.plans import FunctionId, Plan, parse_function_name
from cloud.plans.files import read_plan
from cloud.platforms.tokens import CallbackTokens
from cloud.simulation.profile import read_profile
from cosmic import configuration
from cosmic.errors import CosmicError, InputError, ProtocolError, RemoteProtocolError
from protocol import messages as m
from protocol.codec import encode
from protocol.sessions import AgentSession, CoordinatorSession
from thermal.arrays import decode_geometry, encode_geometry
from thermal.manifest import canonical_bytes, decode_manifest
from thermal.maps import read_map
from thermal.processfile import read_process
from thermal.readers.cli import read_cli
from thermal.readers.threemf import read_3mf
from thermal.solid import read_solid
from thermal.sources.masks import _array

ROOT = Path(__file__).parents[2]
FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
ELEMENTS, CELLS = 40, 6


@dataclass(frozen=True)
class Target:
    """One parser: `feed` gives it bytes; only `allowed` errors may leave. `weight`: its share of the time."""

    name: str
    corpus: tuple[bytes, ...]
    feed: Callable[[bytes], object]
    allowed: tuple[type[BaseException], ...] = (CosmicError,)
    weight: int = 1


def a_map(elements: int = ELEMENTS) -> m.Array:
    return m.Array.of(np.linspace(300.0, 900.0, elements, dtype=np.float32))


AGENT_MESSAGES: tuple[m.AgentMessage, ...] = (
    m.OpenJob(job="job", part="a" * 64, printer="press-1", lookahead=3),
    m.Spreading(layer=0, seconds=15.0),
    m.StartLayer(layer=0, epoch=0, map=a_map(), printed=[]),
    m.StartLayer(layer=0, epoch=2, map=a_map(), printed=[3, 1]),
    m.Printed(layer=0, epoch=0, window=0, cell=3, source="coordinator"),
    m.Deviated(layer=0, epoch=1, printed=[3, 2]),
    m.EndLayer(layer=0, windows=6, fallbacks=1),
    m.CloseJob(job="job", reason="printed"),
)
COORDINATOR_MESSAGES: tuple[m.CoordinatorMessage, ...] = (
    m.Progress(job="job", done=1, total=3, what="operators"),
    m.JobReady(job="job", cells=CELLS, elements=ELEMENTS, engine="inline"),
    m.Decisions(
        layer=0, epoch=0, first_window=0, cells=[3, 1, 2], compute_ms=[1.0, 2.0, 1.5], uniformity=[0.1, 0.2, 0.3]
    ),
    m.Failed(code="bad_map", message="not finite", layer=0),
    m.Failed(code="busy", message="later"),
    m.Warm(layer=0, workers=8, cold=1, reloaded=1),
)


MACHINE_LINES: tuple[lines.Event, ...] = (
    lines.Hello(version=1, machine="press", layers=3),
    lines.Job(layers=3),
    lines.Spreading(layer=0, seconds=15.0),
    lines.LayerReady(layer=0, windows_s=[0.04] * CELLS),
    lines.CellStarted(layer=0, window=0, cell=3, at_s=1.5),
    lines.CellFinished(layer=0, window=0, cell=3),
    lines.LayerDone(layer=0, starved_s=0.01),
    lines.Fault(text="oxygen 1200 ppm"),
    lines.Position(layer=0, ready=True, scanned=[3, 1], scanning=True),
    lines.JobDone(reason="all layers"),
)


def _coordinator_hears(frame: bytes) -> None:
    if b"open_job" in frame:
        CoordinatorSession().receive(frame)
    session = CoordinatorSession()
    session.layer_size = lambda layer: (ELEMENTS, CELLS) if layer == 0 else None
    session.receive(encode(AGENT_MESSAGES[0]))
    session.send(COORDINATOR_MESSAGES[1])
    message = session.receive(frame)
    if isinstance(message, m.StartLayer):
        message.map.to_numpy()


def _agent_hears(frame: bytes) -> None:
    session = AgentSession()
    session.send(AGENT_MESSAGES[0])
    session.receive(encode(COORDINATOR_MESSAGES[1]))
    session.receive(frame)


_LENGTH = 2


def _history(data: bytes) -> None:
    """Take `data` for a whole conversation: frames, each with its length before it; the session lives on."""
    session = CoordinatorSession()
    session.layer_size = lambda layer: (ELEMENTS, CELLS) if layer < 2 else None
    place = 0
    while place + _LENGTH <= len(data):
        size = int.from_bytes(data[place : place + _LENGTH], "big")
        frame = data[place + _LENGTH : place + _LENGTH + size]
        place += _LENGTH + size
        try:
            message = session.receive(frame)
        except RemoteProtocolError as error:
            if hasattr(error, "layer"):  # answered with `failed`: the conversation goes on
                continue
            raise
        if isinstance(message, m.OpenJob):
            session.send(COORDINATOR_MESSAGES[1])
        assert len(session.prefix) == len(set(session.prefix)), "no cell twice in the printed prefix"
        assert all(0 <= cell < CELLS for cell in session.prefix)


def _conversation(*said: m.AgentMessage) -> bytes:
    frames = [encode(message) for message in said]
    return b"".join(len(frame).to_bytes(_LENGTH, "big") + frame for frame in frames)


def _through_file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    path = FOLDER / f"cosmic-fuzz-{os.getpid()}{suffix}"

    def feed(data: bytes) -> object:
        path.write_bytes(data)
        try:
            return read(path)
        finally:
            path.unlink(missing_ok=True)

    return feed


def _frames(data: bytes) -> None:
    if len(data) >= HEADER.size:
        unpack(data[: HEADER.size])


def _tokens(data: bytes) -> None:
    CallbackTokens(b"k" * 32).check(data.decode("latin-1"), 0.0)


def _plan(path: Path) -> None:
    parse_function_name(read_plan(path).functions[0].name("gear"))


def _commands(path: Path) -> None:
    for _command in read_cli(path):
        pass


def _map(path: Path) -> None:
    read_map(path, ELEMENTS)


def _recording(path: Path) -> None:
    found = read_recording(path)
    for layer in found.maps:
        found.map_K(layer)


def _saved(values: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def _recordings() -> tuple[bytes, ...]:
    """Return the recordings that are kept of every version."""
    return tuple(path.read_bytes() for path in sorted((ROOT / "tests" / "data").rglob("*.mcap")))


def _lines() -> tuple[bytes, ...]:
    """Return a line of every kind that a machine's driver may send."""
    return tuple(msgspec.json.encode(event) for event in MACHINE_LINES)


@cache
def _part_bytes() -> tuple[bytes, bytes]:
    """Return the manifest and the array file of a small part."""
    from shapely.geometry import box

    from thermal.building import build_from_outline
    from thermal.process import Process

    part = build_from_outline(box(0, 0, 2.4, 2.0), "plate", Process(), island_mm=0.8)
    return canonical_bytes(part.manifest), encode_geometry(part.geometries[0])


ASCII_CLI = b"""$$HEADERSTART
// a square //
$$ASCII
$$UNITS/0.005
$$VERSION/200
$$LABEL/1,square
$$LAYERS/1
$$HEADEREND
$$GEOMETRYSTART
$$LAYER/10
$$POLYLINE/1,1,5,0,0,2000,0,2000,2000,0,2000,0,0
$$HATCHES/1,2,0,50,2000,50,2000,150,0,150
$$GEOMETRYEND
"""


def _binary_cli() -> bytes:
    from struct import pack as number

    head = b"$$HEADERSTART\n$$BINARY\n$$UNITS/1.0\n$$VERSION/200\n$$HEADEREND"
    layer = number("<Hf", 127, 0.05)
    line = number("<Hiii", 130, 1, 1, 3) + number("<6f", 0, 0, 1, 0, 1, 1)
    hatches = number("<Hii", 132, 1, 2) + number("<8f", 0, 0, 1, 0, 0, 0.1, 1, 0.1)
    return head + layer + line + hatches


def _model_3mf() -> bytes:
    """Return the model document of a tetrahedron."""
    corners = ((0, 0, 0), (2, 0, 0), (0, 2, 0), (0, 0, 2))
    faces = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in corners)
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in faces)
    return (
        '<?xml version="1.0"?><model unit="millimeter" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>'
        f'<object id="1" type="model"><mesh><vertices>{vertices}</vertices>'
        f"<triangles>{triangles}</triangles></mesh></object></resources>"
        '<build><item objectid="1" transform="1 0 0 0 1 0 0 0 1 5 5 0"/></build></model>'
    ).encode()


def _package_3mf(model: bytes) -> bytes:
    """Return a package around a model document, whatever that is: its check sums are right."""
    relations = (
        b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r" Target="/3D/3dmodel.model" '
        b'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        package.writestr("_rels/.rels", relations)
        package.writestr("3D/3dmodel.model", model)
    return packed.getvalue()


def _box_stl() -> bytes:
    import trimesh

    return bytes(trimesh.creation.box((20.0, 20.0, 20.0)).export(file_type="stl"))


def _toml(model: type[msgspec.Struct]) -> bytes:
    from cosmic.skeleton import skeleton

    shown = [line for line in skeleton(model).splitlines() if not line.endswith("# unset")]
    return "\n".join(
        line[1:] if line.startswith("#") and line[1:2] not in ("", " ") else line for line in shown
    ).encode()


def _rebirth() -> bytes:
    command = payload_class()()
    command.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    return bytes(command.SerializeToString())


def targets() -> list[Target]:
    """Return all targets."""
    manifest, arrays = _part_bytes()
    plan = msgspec.json.encode(Plan(part="a" * 64, engine="simulated", groups=2, rows=2, columns=1))
    token = CallbackTokens(b"k" * 32).issue(FunctionId(0, 1, 0), "job", 1, 60.0)
    paper = (ROOT / "cloud" / "simulation" / "paper.toml").read_bytes()
    prices = (ROOT / "cloud" / "prices.toml").read_bytes()
    heads = tuple(pack(kind, 16, type_=1 if kind in (Kind.WINDOW, Kind.PARTIAL) else 0) for kind in Kind)
    spoken = (
        _conversation(*AGENT_MESSAGES),
        _conversation(
            AGENT_MESSAGES[0], AGENT_MESSAGES[1], AGENT_MESSAGES[3], AGENT_MESSAGES[5], AGENT_MESSAGES[6]
        ),
        _conversation(
            AGENT_MESSAGES[0], AGENT_MESSAGES[2], AGENT_MESSAGES[4], AGENT_MESSAGES[3], AGENT_MESSAGES[7]
        ),
    )
    return [
        Target("agent-message", tuple(map(encode, AGENT_MESSAGES)), _coordinator_hears, (ProtocolError,), 4),
        Target("coordinator-message", tuple(map(encode, COORDINATOR_MESSAGES)), _agent_hears, (ProtocolError,), 4),
        Target("conversation", spoken, _history, (ProtocolError,), 4),
        Target("worker-frame", heads, _frames, (FrameError,)),
        Target("worker-token", (token.encode(),), _tokens),
        Target(
            "cli-ascii",
            (ASCII_CLI,),
            _through_file(".cli", _commands),
        ),
        Target("cli-binary", (_binary_cli(),), _through_file("b.cli", _commands)),
        Target("3mf", (_package_3mf(_model_3mf()),), _through_file(".3mf", read_3mf)),
        Target("3mf-model", (_model_3mf(),), _packaged(_through_file("m.3mf", read_3mf))),
        Target("stl", (_box_stl(),), _through_file(".stl", read_solid)),
        Target("manifest", (manifest,), lambda data: decode_manifest(data, "part.json")),
        Target(
            "geometry",
            (arrays,),
            lambda data: decode_geometry(data, 0, 2e-4, (0.0, 0.0), "geometry"),
            (CosmicError,),
        ),
        Target("map", (_saved(np.full(ELEMENTS, 300.0, dtype=np.float32)),), _through_file(".npy", _map)),
        Target("mask", (_saved(np.eye(12, dtype=bool)),), _through_file("k.npy", _array)),
        Target("recording", _recordings(), _through_file(".mcap", _recording)),
        Target("socket-line", _lines(), decode_line),
        Target("process", (b"speed_m_s = 0.8\nspreading_s = 15.0\n",), _through_file("p.toml", read_process)),
        Target("agent-toml", (_toml(AgentConfiguration),), _settings(AgentConfiguration), (InputError,)),
        Target("coordinator-toml", (_toml(CoordinatorSettings),), _settings(CoordinatorSettings), (InputError,)),
        Target("plan", (plan,), _through_file("plan.json", _plan)),
        Target("profile", (paper,), _through_file("f.toml", lambda path: read_profile.__wrapped__(str(path)))),
        Target("platform", (paper,), _through_file("g.toml", lambda path: read_platform(str(path)))),
        Target("prices", (prices,), _through_file("h.toml", lambda path: read_platform("paper", path))),
        Target("tokens", (b'{"printers": []}',), _through_file("t.json", lambda path: TokenFile(path).printers())),
        Target("sparkplug-command", (_rebirth(),), lambda data: Session().asks_for_rebirth(data), ()),
        Target("scrubber", (b'{"token": "abcdef"} Bearer xyz a://b:c@d',), _scrub, ()),
    ]


def _packaged(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    return lambda model: read(_package_3mf(model))


def _settings(model: type[msgspec.Struct]) -> Callable[[bytes], object]:
    return _through_file(f"{model.__name__}.toml", lambda path: configuration.load(model, path, environment={}))


def _scrub(data: bytes) -> None:
    Scrubber(AgentConfiguration()).scrub(data.decode("latin-1"))
