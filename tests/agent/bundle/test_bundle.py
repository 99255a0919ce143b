"""The support archive: all that helps is in it, no secret is."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bundle import write_bundle
from agent.bundle.contents import Piece
from agent.bundle.secrets import Scrubber
from agent.commands import app
from agent.configuration import AgentConfiguration, Mqtt, Uplink
from cosmic.commands import run

TOKEN = "tk-4711-very-secret"
PASSWORD = "pa55-of-the-broker"


@pytest.fixture
def config(tmp_path: Path, square_folder: Path) -> Path:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "password").write_text(PASSWORD)
    recordings = tmp_path / "recordings" / "job-1"
    recordings.mkdir(parents=True)
    (recordings / "20260101T000000Z.mcap").write_bytes(b"x" * 1000)
    path = tmp_path / "agent.toml"
    path.write_text(
        f'[printer]\nname = "press/1"\npart = "{square_folder}"\n'
        f'[uplink]\nurl = "ws://user:{PASSWORD}@127.0.0.1:9/v1/agent"\ntoken_file = "{tmp_path}/token"\n'
        f'[mqtt]\nhost = ""\npassword_file = "{tmp_path}/password"\n'
        f'[recording]\ndirectory = "{tmp_path}/recordings"\n'
    )
    return path


def unpack(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as found:
        files = {member.name.partition("/")[2]: found.extractfile(member) for member in found.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_the_archive_has_all_that_helps_and_no_secret(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "support.tar.gz"
    assert run(app, "cosmic-agent", ["bundle", "--config", str(config), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    files = unpack(out)
    assert {
        "versions.json",
        "configuration.json",
        "machine.txt",
        "recordings.txt",
        "check.txt",
        "missing.txt",
    } <= set(files)
    assert files["recordings/job-1/20260101T000000Z.mcap"] == b"x" * 1000
    values = {one["key"]: one["value"] for one in json.loads(files["configuration.json"])}
    assert values["printer.name"] == "press/1"
    assert values["uplink.token_file"].endswith("/token"), "where a secret is kept is no secret"
    assert b"failed  coordinator" in files["check.txt"]
    everything = b"\n".join(files.values())
    assert TOKEN.encode() not in everything
    assert PASSWORD.encode() not in everything
    assert out.stat().st_mode & 0o777 == 0o600, "for its owner alone"
    assert told["bytes"] == out.stat().st_size


def test_recordings_that_do_not_fit_are_said_to_be_left_out(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "support.tar.gz"
    words = ["bundle", "--config", str(config), "-o", str(out), "--recordings-mb", "0", "--no-check"]
    assert run(app, "cosmic-agent", words) == 0
    assert not [name for name in unpack(out) if name.startswith("recordings/")]
    bundled = write_bundle(
        out,
        [],
        Scrubber(AgentConfiguration()),
        recordings_directory=str(tmp_path / "recordings"),
        recordings_bytes=10,
    )
    assert "1000 bytes, 10 are allowed" in bundled.missing["20260101T000000Z.mcap"]


def test_what_cannot_be_had_costs_nothing_else(tmp_path: Path) -> None:
    def broken() -> str:
        raise RuntimeError("no such thing")

    out = tmp_path / "support.tar.gz"
    pieces = [Piece("a.txt", lambda: "a"), Piece("b.txt", broken), Piece("c.txt", lambda: "c")]
    bundled = write_bundle(out, pieces, Scrubber(AgentConfiguration()))
    assert bundled.missing == {"b.txt": "RuntimeError: no such thing"}
    files = unpack(out)
    assert (files["a.txt"], files["c.txt"]) == (b"a", b"c")
    assert b"b.txt: RuntimeError" in files["missing.txt"]


def test_an_archive_that_cannot_be_written_is_said_so_and_leaves_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nowhere" / "support.tar.gz"
    assert run(app, "cosmic-agent", ["bundle", "--config", str(config), "-o", str(out), "--no-check"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not out.parent.exists()


@given(st.text(min_size=8, max_size=40).filter(lambda text: text.strip() == text and text.isprintable()), st.text())
def test_a_known_secret_is_taken_out_wherever_it_stands(secret: str, around: str) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix="secret", encoding="utf-8") as file:
        file.write(secret)
        file.flush()
        settings = AgentConfiguration(uplink=Uplink(token_file=file.name), mqtt=Mqtt(password_file="/nowhere"))
        scrubbed = Scrubber(settings).scrub(f"{around}{secret}{around}")
    assert secret not in scrubbed.replace("***", "") or secret in around * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ('{"password": "hunter2", "port": 1}', '{"password": "***", "port": 1}'),
        ("mqtt://me:hunter2@host/x", "mqtt://me:***@host/x"),
        ('token_file = "/etc/cosmic/token"', 'token_file = "/etc/cosmic/token"'),
        (
            "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----",
        ),
        ("a token was refused", "a token was refused"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, expected: str) -> None:
    assert Scrubber(AgentConfiguration()).scrub(text) == expected
