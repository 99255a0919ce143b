"""What every store must do: the same tests on a folder and on S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cloud.stores import Store, Stored, fetch, fetch_array, upload
from cloud.stores.errors import BlockMissingError, DamagedBlockError, StoreError

PART = 5 * 2**20
KEY = "operators/geometry-0000/float64-2x2/length-00025-block-1-0.npy"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three parts: two whole and a short one."""
    path = tmp_path / "block.npy"
    path.write_bytes(np.random.default_rng(1).bytes(2 * PART + 1000))
    return path


def read(store: Store, stored: Stored, **options: int) -> bytes:
    memory = np.empty(stored.bytes, dtype=np.uint8)
    fetch(store, stored, memory, **options)
    return memory.tobytes()


def test_what_is_written_is_read_back_with_its_digest(store: Store, file: Path) -> None:
    seen: list[tuple[int, int]] = []
    stored = upload(store, KEY, file, part_bytes=PART, progress=lambda *one: seen.append(one))
    assert stored == Stored(KEY, 2 * PART + 1000, hashlib.sha256(file.read_bytes()).hexdigest())
    assert store.find(KEY) == stored
    assert seen[-1] == (stored.bytes, stored.bytes)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert read(store, stored, range_bytes=2**20, readers=4) == file.read_bytes()
    assert read(store, stored, range_bytes=2**30, readers=1) == file.read_bytes()


def test_store_is_usable_before_anything_is_in_it(store: Store) -> None:
    store.check()
    assert store.find(KEY) is None
    assert store.list("") == []


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_small_and_empty_objects_are_whole(store: Store, tmp_path: Path, size: int) -> None:
    (tmp_path / "small").write_bytes(b"x" * size)
    stored = upload(store, "small", tmp_path / "small")
    assert read(store, stored) == b"x" * size


def test_ranges_are_those_asked_for(store: Store, file: Path) -> None:
    upload(store, KEY, file, part_bytes=PART)
    target = bytearray(77)
    store.read_into(KEY, PART - 30, memoryview(target))
    assert bytes(target) == file.read_bytes()[PART - 30 : PART + 47]
    with pytest.raises(StoreError):
        store.read_into(KEY, 2 * PART + 990, memoryview(target))


class Broken(Exception):
    """The process ends here."""


def test_interrupted_upload_goes_on_where_it_broke_off(
    store: Store, reopen: Callable[[], Store], file: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise Broken

    with pytest.raises(Broken):
        upload(store, KEY, file, part_bytes=PART, writers=1, progress=stop)
    assert store.find(KEY) is None
    later = reopen()
    begun = later.begin(KEY, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest(), PART)
    left = sum(number in begun.left for number in (1, 2, 3))
    assert left >= 1
    sent: list[tuple[int, int]] = []
    stored = upload(later, KEY, file, part_bytes=PART, writers=1, progress=lambda *one: sent.append(one))
    assert sent[0][0] >= left * PART - PART + 1000
    assert read(later, stored) == file.read_bytes()


@pytest.mark.parametrize("changed", ["start", "end"])
def test_parts_of_another_content_are_not_taken_up(
    store: Store, reopen: Callable[[], Store], file: Path, changed: str
) -> None:
    def stop(done: int, total: int) -> None:
        raise Broken

    with pytest.raises(Broken):
        upload(store, KEY, file, part_bytes=PART, writers=1, progress=stop)
    content = bytearray(file.read_bytes())
    content[5 if changed == "start" else -5] ^= 1
    file.write_bytes(content)
    assert read(reopen(), upload(reopen(), KEY, file, part_bytes=PART)) == bytes(content)


def test_same_content_is_not_sent_twice_and_other_content_replaces_it(
    store: Store, reopen: Callable[[], Store], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = upload(store, KEY, file, part_bytes=PART)
    again = reopen()
    with monkeypatch.context() as patched:
        patched.setattr(type(again), "begin", lambda *_: pytest.fail("it was sent again"))
        assert upload(again, KEY, file, part_bytes=PART) == first
    file.write_bytes(b"other")
    assert read(again, upload(again, KEY, file)) == b"other"


def test_list_names_what_begins_with_the_prefix_in_order(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for key in ("b/2", "a/1", "b/1"):
        upload(store, key, tmp_path / "x")
    assert [(one.key, one.bytes) for one in store.list("b/")] == [("b/1", 1), ("b/2", 1)]
    store.remove(["b/1", "a/1", "never"])
    assert [one.key for one in store.list("")] == ["b/2"]


def test_content_that_changed_since_is_refused(store: Store, file: Path) -> None:
    stored = upload(store, KEY, file, part_bytes=PART)
    with pytest.raises(DamagedBlockError, match="not the one of its digest") as error:
        read(store, Stored(KEY, stored.bytes, "0" * 64))
    assert KEY in error.value.where


def test_part_damaged_on_the_way_is_refused(tmp_path: Path) -> None:
    from cloud.stores.folder import FolderStore

    store = FolderStore(tmp_path / "store")
    begun = store.begin(KEY, 2 * PART, "0" * 64, PART)
    with pytest.raises(DamagedBlockError, match="part 1"):
        begun.put(1, memoryview(bytes(PART)), hashlib.sha256(b"other").hexdigest())
    begun.abandon()
    assert store.find(KEY) is None


def test_missing_block_is_named(store: Store) -> None:
    with pytest.raises(BlockMissingError, match="no such block"):
        fetch_array(store, KEY)
    with pytest.raises(BlockMissingError):
        store.read_into(KEY, 0, memoryview(bytearray(3)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_array_comes_back_bit_for_bit(store: Store, tmp_path: Path, dtype: str) -> None:
    block = np.random.default_rng(2).random((37, 53)).astype(dtype)
    np.save(tmp_path / "block.npy", block)
    upload(store, KEY, tmp_path / "block.npy")
    read_back = fetch_array(store, KEY)
    assert read_back.dtype == block.dtype
    assert np.array_equal(read_back, block)
    assert read_back.flags.aligned


@pytest.mark.parametrize("damage", ["cut", "text", "integers", "columns first"])
def test_what_is_no_block_is_refused(store: Store, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "block.npy"
    block = np.ones((4, 3), dtype=np.int64 if damage == "integers" else np.float64)
    np.save(path, np.asfortranarray(block) if damage == "columns first" else block)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "text":
        path.write_text("no array")
    upload(store, KEY, path)
    with pytest.raises(DamagedBlockError):
        fetch_array(store, KEY)


@pytest.mark.parametrize("key", ["../out", "/etc/passwd", ".hidden", "a/../b", ""])
def test_key_that_leaves_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    from cloud.stores.folder import FolderStore

    with pytest.raises(StoreError, match="is no key"):
        FolderStore(tmp_path / "store").find(key)
