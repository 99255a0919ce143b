"""The file of tokens."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from cloud.access.tokens import TokenFile
from cosmic.errors import ConfigurationError, UsageError


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "state" / "tokens.json")


def test_token_names_its_printer_and_no_other(tokens: TokenFile) -> None:
    first, second = tokens.add("press-1"), tokens.add("press-2")
    assert tokens.printer_of(first) == "press-1"
    assert tokens.printer_of(second) == "press-2"
    assert [tokens.printer_of(wrong) for wrong in ("", first[:-1], first + "x", "x" * 10_000)] == [None] * 4


def test_file_holds_only_hashes_and_is_its_owners_alone(tokens: TokenFile) -> None:
    token = tokens.add("press-1")
    assert token not in tokens.path.read_text()
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert [path.name for path in tokens.path.parent.iterdir()] == ["tokens.json"]


def test_one_token_a_printer_unless_it_is_replaced(tokens: TokenFile) -> None:
    first = tokens.add("press-1")
    with pytest.raises(UsageError, match="has a token already"):
        tokens.add("press-1")
    second = tokens.add("press-1", replace=True)
    assert tokens.printer_of(first) is None
    assert tokens.printer_of(second) == "press-1"
    assert [access.printer for access in tokens.printers()] == ["press-1"]


def test_revoked_token_is_worth_nothing(tokens: TokenFile) -> None:
    token = tokens.add("press-1")
    tokens.revoke("press-1")
    assert tokens.printer_of(token) is None
    with pytest.raises(UsageError, match="has no token"):
        tokens.revoke("press-1")


def test_file_changed_by_another_process_is_read_again(tokens: TokenFile) -> None:
    assert tokens.printer_of("x") is None
    token = TokenFile(tokens.path).add("press-1")
    assert tokens.printer_of(token) == "press-1"
    TokenFile(tokens.path).revoke("press-1")
    assert tokens.printer_of(token) is None


def test_file_that_was_damaged_leaves_what_was_known_in_force(tokens: TokenFile) -> None:
    token = tokens.add("press-1")
    assert tokens.printer_of(token) == "press-1"
    tokens.path.write_text("{")
    with structlog.testing.capture_logs() as logs:
        assert tokens.printer_of(token) == "press-1"
    assert [line["event"] for line in logs] == ["tokens_not_read"]
    with pytest.raises(ConfigurationError, match="is damaged"):
        tokens.printers()


def test_printers_added_at_the_same_time_are_all_kept(tokens: TokenFile) -> None:
    names = [f"press-{k}" for k in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: TokenFile(tokens.path).add(name), names))
    assert sorted(access.printer for access in tokens.printers()) == sorted(names)


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb"])
def test_name_that_is_no_name_is_refused(tokens: TokenFile, name: str) -> None:
    with pytest.raises(UsageError, match="no printer's name"):
        tokens.add(name)


def test_unknown_fields_and_versions_are_damage(tokens: TokenFile) -> None:
    tokens.add("press-1")
    content = json.loads(tokens.path.read_text())
    for changed in ({**content, "version": 2}, {**content, "more": 1}):
        tokens.path.write_text(json.dumps(changed))
        with pytest.raises(ConfigurationError):
            tokens.printers()
