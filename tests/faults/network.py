"""Faults of the network: what a proxy does to the connection, names that are not known, TLS that stalls."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.faults.libraries import no_compiler, preloaded
from tests.faults.row import ALL_OF_IT, AT_ONCE, HANGING, REFUSED, SILENT, Row, middle
from tests.faults.stage import Stage

STALL_S = 1.0
"""A stall that is longer than eight windows and shorter than the pings' patience, seconds."""


async def link_down(stage: Stage) -> None:
    """Wait until the agent has noticed the loss."""
    await stage.agent.event("link", link="down")


def delayed(delay_s: float) -> Row:
    """Return the row of a connection that is slow all the time."""

    async def story(stage: Stage) -> None:
        stage.proxy.delay_s = delay_s
        stage.strikes()
        await middle(stage)

    ms = f"{delay_s * 1e3:.0f}"
    return Row(f"delay-{ms}", f"every byte {ms} ms under way, each way", story)


async def narrow(stage: Stage) -> None:
    """A slow line all the time."""
    stage.proxy.bytes_per_s = 20_000.0
    stage.strikes()
    await middle(stage)


async def reset(stage: Stage) -> None:
    """The connection is reset."""
    await middle(stage)
    stage.strikes()
    stage.proxy.reset()


async def cut_down(stage: Stage) -> None:
    """A frame of decisions breaks off in its middle."""
    await middle(stage)
    stage.strikes()
    stage.proxy.cut_in_frame("down")


async def cut_up(stage: Stage) -> None:
    """A frame of the agent breaks off in its middle."""
    await middle(stage)
    stage.strikes()
    stage.proxy.cut_in_frame("up")


async def half_open(stage: Stage) -> None:
    """Both ends believe in a connection that leads nowhere; new ones work."""
    await middle(stage)
    stage.strikes()
    stage.proxy.swallow()


async def black_hole(stage: Stage) -> None:
    """Nothing arrives, new connections neither, until the loss was noticed."""
    await middle(stage)
    stage.strikes()
    stage.proxy.swallow(new=True)
    await link_down(stage)
    stage.proxy.go_on()
    stage.over()


async def stalled_up(stage: Stage) -> None:
    """For a while nothing gets to the coordinator; nothing is lost."""
    await middle(stage)
    stage.strikes()
    stage.proxy.stall("up")
    await asyncio.sleep(STALL_S)
    stage.proxy.go_on()
    stage.over()


async def stalled_down(stage: Stage) -> None:
    """For a while nothing gets to the agent; nothing is lost."""
    await middle(stage)
    stage.strikes()
    stage.proxy.stall("down")
    await asyncio.sleep(STALL_S)
    stage.proxy.go_on()
    stage.over()


async def far_and_stalled(stage: Stage) -> None:
    """Answers take five windows to come, and for a while none does: the order is left, and found again."""
    stage.proxy.delay_s = 0.1
    await stalled_down(stage)


async def stalled_long(stage: Stage) -> None:
    """Nothing gets to the agent until it gives the connection up; what it said itself arrives."""
    await middle(stage)
    stage.strikes()
    stage.proxy.stall("down")
    await link_down(stage)
    stage.proxy.go_on()
    stage.over()


async def no_network_at_start(stage: Stage) -> None:
    """The agent starts and prints; the coordinator comes in the middle of a layer."""
    stage.url = stage.direct
    stage.agent_sections["printer.simulated"] = {"start_limit_s": 0.5}
    stage.strikes()
    await stage.start_agent()
    await stage.window(0, 20)
    await stage.start_coordinator()
    stage.over()


async def unknown_name(stage: Stage) -> None:
    """The coordinator's name is not known; nobody ever answers."""
    stage.url = "ws://coordinator.invalid:8470/v1/agent"
    stage.agent_sections["printer.simulated"] = {"start_limit_s": 0.5}
    stage.strikes()
    await stage.start_agent()


async def silent_name_server(stage: Stage) -> None:
    """Whoever looks the coordinator's name up waits, for longer than the agent does, again and again."""
    library, silent = await preloaded(stage, "resolver"), stage.folder / "name-server"
    silent.write_bytes(b"\0")
    name = "coordinator.plant.invalid"
    stage.agent_environment |= {"LD_PRELOAD": library, "NAME_SERVER": str(silent), "HANGING_NAME": name}
    stage.url = f"ws://{name}:{stage.proxy.port}/v1/agent"
    await middle(stage)
    stage.strikes()
    answer(silent, b"\1")
    stage.proxy.reset()
    await stage.agent.event("link", link="down", code="name_server")
    await stage.window(1, 0)  # another layer, its frame and all that threads do for it
    answer(silent, b"\0")
    stage.over()


def answer(silent: Path, byte: bytes) -> None:
    """Have a name server fall silent (1), or answer (0)."""
    with silent.open("r+b") as file:
        file.write(byte)


async def tls_stalls(stage: Stage) -> None:
    """New connections are taken, and nobody answers the TLS handshake, until one was given up."""
    certificate, key = make_certificate(stage)
    stage.coordinator_sections["listen"] = {"certificate_file": certificate, "key_file": key}
    stage.agent_sections["uplink"] = {"url": f"wss://127.0.0.1:{stage.proxy.port}/v1/agent", "ca_file": certificate}
    await middle(stage)
    stage.strikes()
    stage.proxy.swallow(new=True)
    stage.proxy.reset()
    await link_down(stage)
    before = stage.proxy.accepted
    await stage.agent.event("link", link="down", code="timeout")
    assert stage.proxy.accepted > before, "a new connection was taken, and stalled"
    stage.proxy.go_on()
    stage.over()


def make_certificate(stage: Stage) -> tuple[str, str]:
    """Make a certificate for 127.0.0.1; return its file and its key's."""
    certificate, key = stage.folder / "certificate.pem", stage.folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return str(certificate), str(key)


ROWS = [
    delayed(0.03),
    delayed(0.1),
    Row("narrow", "20 kB/s, each way", narrow),
    Row("reset", "connection reset", reset, AT_ONCE),
    Row("cut-down", "RST in the middle of a frame of decisions", cut_down, AT_ONCE),
    Row("cut-up", "RST in the middle of a frame of the agent", cut_up, AT_ONCE),
    Row("half-open", "half-open: silence both ways, new connections work", half_open, SILENT),
    Row("black-hole", "silence both ways, for new connections as well, until noticed", black_hole, HANGING),
    Row("stall-up", f"stall of {STALL_S:g} s on the way up", stalled_up, AT_ONCE),
    Row("stall-down", f"stall of {STALL_S:g} s on the way down", stalled_down, AT_ONCE),
    Row("far-stall", f"every byte 100 ms under way, and a stall of {STALL_S:g} s", far_and_stalled, AT_ONCE),
    Row("stall-long", "stall on the way down until noticed", stalled_long, HANGING),
    Row("no-network", "no coordinator at the start; it comes in a layer", no_network_at_start, REFUSED),
    Row("dns", "the coordinator's name is not known", unknown_name),
    Row(
        "dns-silent", "connection lost, then a silent name server", silent_name_server, HANGING, missing=no_compiler
    ),
    Row("tls-stall", "connection lost, then TLS handshakes that stall", tls_stalls, ALL_OF_IT),
]
