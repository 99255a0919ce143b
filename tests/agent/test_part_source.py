"""The part at the printer: from a folder, or from the coordinator, whole and the right one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.configuration import AgentConfiguration, Printer, Uplink
from agent.part_source import fetch, find_part
from cosmic.errors import ConfigurationError, CosmicError, PartError, RefusedError
from tests.agent.uplink.test_link import coordinator, url_of
from thermal.part import Part


def settings_for(part: str, folder: Path, url: str = "") -> AgentConfiguration:
    return AgentConfiguration(
        printer=Printer(part=part, parts_directory=str(folder), fetch_limit_s=5.0), uplink=Uplink(url=url)
    )


def test_a_folder_is_taken_as_it_is(tmp_path: Path, square: Part, square_folder: Path) -> None:
    assert find_part(settings_for(str(square_folder), tmp_path), "", None).digest == square.digest


async def test_a_digest_is_fetched_once_and_then_kept(tmp_path: Path, square: Part, square_folder: Path) -> None:
    kept = tmp_path / "kept"
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        settings = settings_for(square.digest, kept, url_of(running))
        part = await asyncio.to_thread(find_part, settings, token_file.read_text().strip(), None)
        assert part.digest == square.digest
    again = await asyncio.to_thread(find_part, settings, "", None)
    assert again.digest == square.digest, "the coordinator is gone, the part is here"
    assert [path.name for path in kept.iterdir()] == [square.digest]


async def test_a_wrong_token_and_an_unknown_part_are_refused_with_the_remedy(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        for digest, token, code in [
            (square.digest, "wrong", "unauthorized"),
            ("0" * 64, token_file.read_text().strip(), "unknown_part"),
        ]:
            with pytest.raises(RefusedError) as caught:
                await asyncio.to_thread(
                    find_part, settings_for(digest, tmp_path / "kept", url_of(running)), token, None
                )
            assert caught.value.code == code
            assert caught.value.remedy


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


async def fetch_from(answer: Answer, folder: Path, digest: str, **more: int) -> list[float]:
    """Fetch from a server that answers its n-th request with `answer`; return the pauses that were made."""
    asked = 0
    pauses: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await answer(reader, writer, asked)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(
            fetch,
            f"http://127.0.0.1:{port}/v1/parts/{digest}",
            folder,
            digest,
            token="t",
            tls=None,
            bytes_max=more.get("bytes_max", 1 << 24),
            limit_s=more.get("limit_s", 60),
            pause=pauses.append,
        )
    return pauses


async def tar_of(tmp_path: Path, square: Part, square_folder: Path) -> bytes:
    """Return the tar as the coordinator gives it."""
    async with coordinator(tmp_path, square_folder.parent) as (running, token_file):
        from urllib.request import Request, urlopen

        request = Request(
            url_of(running).replace("ws:", "http:").replace("/v1/agent", f"/v1/parts/{square.digest}"),
            headers={"Authorization": f"Bearer {token_file.read_text().strip()}"},
        )

        def read() -> bytes:
            with urlopen(request) as answer:
                content: bytes = answer.read()
                return content

        return await asyncio.to_thread(read)


async def test_a_download_that_broke_off_goes_on_where_it_ended(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    tar = await tar_of(tmp_path, square, square_folder)
    ranges: list[int] = []

    async def break_off_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: int) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        first = int(request.split("Range: bytes=")[1].split("-")[0])
        ranges.append(first)
        rest = tar[first:]
        writer.write(f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(rest)}\r\n\r\n".encode())
        writer.write(rest if asked == 3 else rest[: len(tar) // 3])

    folder = tmp_path / "kept" / square.digest
    with capture_logs() as lines:
        pauses = await fetch_from(break_off_twice, folder, square.digest)
    assert ranges == [0, len(tar) // 3, 2 * (len(tar) // 3)]
    assert pauses == [0.1, 0.2]
    assert [line["event"] for line in lines] == ["part_download"] * 2
    assert find_part(settings_for(str(folder), tmp_path), "", None).digest == square.digest


async def test_another_part_than_was_asked_for_is_never_used(
    tmp_path: Path, square: Part, square_folder: Path
) -> None:
    tar = await tar_of(tmp_path, square, square_folder)

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _asked: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(tar)}\r\n\r\n".encode() + tar)

    folder = tmp_path / "kept" / ("0" * 64)
    with pytest.raises(PartError, match="not the part"):
        await fetch_from(give, folder, "0" * 64)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "bytes_max", "says"),
    [(b"no tar at all", 1 << 20, "not the part"), (bytes(5000), 1000, "more than 1000 bytes")],
)
async def test_what_is_no_part_or_too_large_is_refused(
    tmp_path: Path, body: bytes, bytes_max: int, says: str
) -> None:
    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _asked: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with pytest.raises(PartError, match=says):
        await fetch_from(give, tmp_path / "kept" / ("0" * 64), "0" * 64, bytes_max=bytes_max)
    assert not (tmp_path / "kept" / ("0" * 64)).exists()


async def test_a_part_that_does_not_arrive_in_time_says_what_to_check(tmp_path: Path) -> None:
    async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _asked: int) -> None:
        pass

    with pytest.raises(PartError, match="did not arrive") as caught:
        await fetch_from(hang_up, tmp_path / "kept" / ("0" * 64), "0" * 64, limit_s=0)
    assert "uplink.url" in caught.value.remedy


@pytest.mark.parametrize(
    ("part", "url", "says"),
    [
        ("", "", "no part is named"),
        ("0" * 64, "", "no coordinator to fetch it from"),
        ("0" * 64, "http://x", "no ws:// or wss:// address"),
    ],
)
def test_what_cannot_be_looked_for_is_named(tmp_path: Path, part: str, url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        find_part(settings_for(part, tmp_path, url), "", None)


def test_a_kept_part_that_was_exchanged_is_not_used(tmp_path: Path, square_folder: Path) -> None:
    shutil.copytree(square_folder, tmp_path / ("0" * 64))
    with pytest.raises(PartError, match="wanted is 0000"):
        find_part(settings_for("0" * 64, tmp_path), "", None)


def test_a_place_where_parts_cannot_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CosmicError, match=r"printer\.parts_directory"):
        find_part(settings_for("0" * 64, tmp_path / "file", "ws://127.0.0.1:9/v1/agent"), "", None)
