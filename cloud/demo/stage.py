"""What a demonstration runs on: a folder with the part, a token and both configurations."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cloud.access.tokens import TokenFile
from cloud.plans import Plan
from cosmic.errors import CosmicError, UsageError
from thermal.part import load_part

PRINTER = "demo-printer"
REGION = "eu-central-1"
FUNCTION_MB = 512


@dataclass(frozen=True, slots=True)
class Choices:
    """What the demonstration prints and how.

    Attributes:
        solid: STL file.
        element_mm: side of an element, mm.
        island_mm: side of an island, mm.
        layers: layers printed.
        spreading_s: pause between layers, seconds of this machine's clock.
        time_scale: how many times faster than a real printer the simulated one prints.
        engine: where the operators are applied.
        blocks: rows and columns of the dense operators; a worker each, of every group.
        groups: groups that the cells are dealt to, on functions.
        lookahead: windows decided ahead, None for the whole layer.
        fault: what is broken on purpose, None for nothing.
        seed: of the camera's noise and the fallback order.
    """

    solid: Path
    element_mm: float = 0.4
    island_mm: float = 3.2
    layers: int = 10
    spreading_s: float = 1.0
    time_scale: float = 1.0
    engine: str = "local"
    blocks: tuple[int, int] = (4, 1)
    groups: int = 3
    lookahead: int | None = None
    fault: str | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything of one demonstration is."""

    folder: Path
    part: Path
    coordinator_config: Path
    agent_config: Path
    coordinator_log: Path
    agent_log: Path
    ready_file: Path
    recordings: Path
    maps: Path
    endpoint_url: str
    page_port: int


def command(name: str) -> str:
    """Return the path of one of our commands, beside the interpreter that runs this."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise CosmicError(
            f"{name} is not installed beside {sys.executable}", remedy='pip install "cosmic-lpbf[cloud]"'
        )
    return str(path)


def set_stage(folder: Path, choices: Choices) -> Stage:
    """Make the folder ready: part prepared (where it is not already), token made, configurations written.

    Raises UsageError when the solid is not there; what preparing the part prints goes to stderr.
    """
    if not choices.solid.is_file():
        raise UsageError(
            f"{choices.solid} is not there", remedy="run it in a clone of the project, or name a solid with --solid"
        )
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(
        folder=folder,
        part=folder / "parts" / choices.solid.stem,
        coordinator_config=folder / "coordinator.toml",
        agent_config=folder / "agent.toml",
        coordinator_log=folder / "coordinator.log",
        agent_log=folder / "agent.log",
        ready_file=folder / "coordinator.ready",
        recordings=folder / "recordings",
        maps=folder / "maps",
        endpoint_url=f"http://127.0.0.1:{_free_port()}",
        page_port=_free_port(),
    )
    for old in (stage.coordinator_log, stage.agent_log, stage.ready_file):
        old.unlink(missing_ok=True)
    for old in (stage.recordings, stage.maps):
        shutil.rmtree(old, ignore_errors=True)
    _prepare_part(stage, choices)
    if choices.engine == "lambda":
        _write_plan(stage, choices)
    port = _free_port()
    _write_coordinator(stage, choices, port)
    _write_agent(stage, choices, port)
    return stage


def _prepare_part(stage: Stage, choices: Choices) -> None:
    """Build the part with the command a user would run. A part of the same solid and choices is kept."""
    rows, columns = choices.blocks
    words = [
        *("part", "build", str(choices.solid), "-o", str(stage.part), "--force"),
        *("--element", f"{choices.element_mm:g}", "--island", f"{choices.island_mm:g}"),
    ]
    if choices.engine != "inline":
        words += ["--operators", "dense", "--blocks", f"{rows}x{columns}"]
    made_of = stage.folder / "part-made-of.json"
    status = choices.solid.stat()
    wanted = msgspec.json.encode([words, status.st_size, status.st_mtime_ns])
    if stage.part.is_dir() and made_of.is_file() and made_of.read_bytes() == wanted:
        return
    made_of.unlink(missing_ok=True)
    done = subprocess.run([command("cosmic-cloud"), *words], check=False, stdout=sys.stderr)  # noqa: S603
    if done.returncode:
        raise CosmicError(f"the part could not be prepared (exit {done.returncode})", remedy="see the line above")
    made_of.write_bytes(wanted)


def _write_plan(stage: Stage, choices: Choices) -> None:
    """Write a plan in which every feature is to be seen, and not the cheapest: groups, and speculation on them."""
    rows, columns = choices.blocks
    plan = Plan(
        part=load_part(stage.part).digest,
        engine="lambda",
        groups=choices.groups,
        rows=rows,
        columns=columns,
        mode="speculative",
        memory_mb=FUNCTION_MB,
    )
    (stage.part / "plan.json").write_bytes(msgspec.json.encode(plan))


def _write_coordinator(stage: Stage, choices: Choices, port: int) -> None:
    rows, columns = choices.blocks
    sections: dict[str, dict[str, object]] = {
        "listen": {"host": "127.0.0.1", "port": port},
        "parts": {"directory": str(stage.part.parent)},
        "tokens": {"file": str(stage.folder / "tokens.json")},
        "engine": {"name": choices.engine, "blocks_rows": rows, "blocks_columns": columns},
        "http": {"port": stage.page_port},
        "log": {"format": "json"},
    }
    if choices.engine == "lambda":
        sections["engine"] = {"name": "lambda", "warm_interval_s": max(choices.spreading_s / 2, 0.1)}
        sections["engine.aws"] = {"region": REGION, "endpoint_url": stage.endpoint_url}
    _write_toml(stage.coordinator_config, sections)


def _write_agent(stage: Stage, choices: Choices, port: int) -> None:
    token_file = stage.folder / "token"
    token_file.unlink(missing_ok=True)
    token_file.touch(mode=0o600)
    token_file.write_text(TokenFile(stage.folder / "tokens.json").add(PRINTER, replace=True))
    uplink: dict[str, object] = {"url": f"ws://127.0.0.1:{port}/v1/agent", "token_file": str(token_file)}
    if choices.lookahead is not None:
        uplink["lookahead"] = choices.lookahead
    if choices.fault is not None:
        uplink["backoff_max_s"] = 0.5  # on loopback there is nobody to spare
    _write_toml(
        stage.agent_config,
        {
            "printer": {"name": PRINTER, "part": str(stage.part), "job": "demo"},
            "printer.simulated": {
                "layers": choices.layers,
                "spreading_s": choices.spreading_s * choices.time_scale,
                "time_scale": choices.time_scale,
            },
            "capture": {"seed": choices.seed},
            "uplink": uplink,
            "fallback": {"seed": choices.seed},
            "recording": {"directory": str(stage.recordings)},
            "http": {"port": 0},
            "log": {"pretty": False},
        },
    )


def _write_toml(path: Path, sections: dict[str, dict[str, object]]) -> None:
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
        lines.append("")
    path.write_text("\n".join(lines))


def _free_port() -> int:
    """Return a port that is free now: the coordinator comes back on the same one after the fault."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
