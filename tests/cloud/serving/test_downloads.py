"""Parts fetched by printers: whole, in pieces, and checked."""

from __future__ import annotations

import asyncio
import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cloud.printer import Running, start
from thermal.part import Part, load_part


async def get(
    running: Running, digest: str, wanted: str | None = None, token: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a download."""
    headers = {"Authorization": f"Bearer {running.tokens['press-1'] if token is None else token}"}
    if wanted is not None:
        headers["Range"] = wanted
    request = urllib.request.Request(f"http://{running.address}/v1/parts/{digest}", headers=headers)

    def fetch() -> tuple[int, dict[str, str], bytes]:
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    return await asyncio.to_thread(fetch)


async def test_part_arrives_whole_without_its_dense_operators(
    coordinator: Running, part: Part, tmp_path: Path
) -> None:
    status, headers, body = await get(coordinator, part.digest)
    assert (status, headers["ETag"], headers["Accept-Ranges"]) == (200, f'"{part.digest}"', "bytes")
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["part.json", "geometry-0000.npz", "geometry-0001.npz"]
        for member in tar.getmembers():  # the argument `filter` of extractall came with Python 3.11.4
            content = tar.extractfile(member)
            assert content is not None
            (tmp_path / member.name).write_bytes(content.read())
    assert load_part(tmp_path).digest == part.digest


async def test_download_that_broke_off_goes_on_where_it_ended(coordinator: Running, part: Part) -> None:
    _, _, whole = await get(coordinator, part.digest)
    status, headers, rest = await get(coordinator, part.digest, "bytes=1000-")
    assert (status, rest) == (206, whole[1000:])
    assert headers["Content-Range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    status, headers, piece = await get(coordinator, part.digest, "bytes=10-19")
    assert (status, piece, headers["Content-Length"]) == (206, whole[10:20], "10")
    status, headers, piece = await get(coordinator, part.digest, f"bytes={len(whole) - 1}-{2 * len(whole)}")
    assert (status, piece) == (206, whole[-1:])


async def test_bytes_are_the_same_from_another_coordinator(
    coordinator: Running, part: Part, parts_directory: Path, tmp_path: Path
) -> None:
    async with start(parts_directory, tmp_path / "other") as other:
        assert (await get(other, part.digest))[2] == (await get(coordinator, part.digest))[2]


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=-5", "bytes=1-2,4-5", "lines=1-", "bytes=x-"])
async def test_range_of_another_form_is_passed_over(coordinator: Running, part: Part, wanted: str) -> None:
    status, _, body = await get(coordinator, part.digest, wanted)
    assert (status, body) == (200, (await get(coordinator, part.digest))[2])


async def test_range_beyond_the_end_is_416(coordinator: Running, part: Part) -> None:
    assert (await get(coordinator, part.digest, "bytes=999999999-"))[0] == 416


@pytest.mark.parametrize("digest", ["0" * 64, "..%2f..%2fetc%2fpasswd", "", "x" * 3000])
async def test_unknown_part_is_404(coordinator: Running, digest: str) -> None:
    assert (await get(coordinator, digest))[0] == 404


async def test_wrong_token_is_401(coordinator: Running, part: Part) -> None:
    status, headers, _ = await get(coordinator, part.digest, token="cosmic_wrong")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="cosmic"')


async def test_downloads_at_a_time_are_limited(coordinator: Running, part: Part) -> None:
    coordinator.coordinator._downloads = 4
    status, headers, _ = await get(coordinator, part.digest)
    assert (status, headers["Retry-After"]) == (503, "5")
    coordinator.coordinator._downloads = 0
    assert (await get(coordinator, part.digest))[0] == 200


async def test_part_larger_than_the_limit_is_not_served(parts_directory: Path, tmp_path: Path, part: Part) -> None:
    async with start(parts_directory, tmp_path, download_bytes_max=1000) as running:
        status, _, body = await get(running, part.digest)
        assert (status, b"parts.download_bytes_max" in body) == (500, True)
