"""The worker program, with a store and a channel of these tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from cloud.plans import FunctionId
from cloud.platforms.tokens import CallbackTokens
from cloud.worker import Floats, Question, Worker

BLOCK: dict[str, Any] = {
    "digest": "a" * 16,
    "file": "a",
    "geometry": 0,
    "length": 5,
    "rows": [0, 2],
    "columns": [1, 4],
}
OTHER: dict[str, Any] = {**BLOCK, "digest": "b" * 16, "file": "b", "length": 6}


class Shelf:
    """A store of arrays, and what was read from it."""

    def __init__(self) -> None:
        self.files: dict[str, Floats] = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((2, 3))}
        self.read_files: list[str] = []

    def read(self, blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Floats]]:
        for block in blocks:
            self.read_files.append(block["file"])
            if block["file"] not in self.files:
                raise FileNotFoundError(block["file"])
            yield block, self.files[block["file"]]


class Wire:
    """A channel that asks what it was given."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = list(questions)
        self.hello: tuple[Any, ...] = ()
        self.answers: list[tuple[int, Any, str]] = []

    def ready(self, *hello: Any) -> None:
        self.hello = hello

    def receive(self) -> Question | None:
        return self.questions.pop(0) if self.questions else None

    def answer(self, sequence: int, partial: Floats | None, error: str) -> None:
        self.answers.append((sequence, None if partial is None else partial.tolist(), error))

    def close(self, summary: dict[str, Any]) -> dict[str, Any]:
        return {**summary, "bytes_in": 1, "bytes_out": 2}


def load(*blocks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"kind": "load", "precision": "float64", "blocks": list(blocks), "store": {}, **changes}


def test_load_reads_only_what_is_not_in_memory_and_forgets_the_rest() -> None:
    shelf = Shelf()
    worker = Worker(lambda _store: shelf)
    assert worker.invoked(load(BLOCK))["resident"] == ["a" * 16]
    answer = worker.invoked(load(BLOCK, OTHER))
    assert (answer["kind"], shelf.read_files) == ("loaded", ["a", "b"])
    assert worker.invoked(load(OTHER))["resident"] == ["b" * 16]
    assert worker.invoked(load(BLOCK, forget_others=False))["resident"] == ["b" * 16, "a" * 16]


def test_dummy_request_is_answered_without_loading() -> None:
    shelf = Shelf()
    worker = Worker(lambda _store: shelf)
    answer = worker.invoked({"kind": "warm"})
    assert (answer["kind"], answer["resident"], shelf.read_files) == ("warm", [], [])
    assert answer["environment"] == worker.environment
    assert answer["memory_mb"] > 0


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ({**BLOCK, "file": "missing"}, "FileNotFoundError: missing"),
        ({**BLOCK, "rows": [0, 3]}, r"a: the block is float64\[2, 3\], not float64\[3, 3\]"),
    ],
)
def test_block_that_cannot_be_used_is_said(block: dict[str, Any], error: str) -> None:
    answer = Worker(lambda _store: Shelf()).invoked(load(block))
    assert answer["kind"] == "failed"
    assert re.search(error, answer["error"])


def test_worker_serves_windows_until_it_is_released() -> None:
    theta = np.array([1.0, 2.0, 3.0])
    wire = Wire([Question(7, 0, 5, theta), Question(8, 0, 9, theta), Question(9, 0, 5, theta[:2])])
    worker = Worker(lambda _store: Shelf(), lambda _event: wire)
    worker.invoked(load(BLOCK))
    answer = worker.invoked({"kind": "serve", "function": "g0-0-0", "token": "t", "address": "here"})
    assert wire.hello == ("g0-0-0", "t", worker.environment, ["a" * 16])
    assert wire.answers == [
        (7, [8.0, 26.0], ""),
        (8, None, "no block of this operator is in memory"),
        (9, None, "theta has not the length of the block's columns"),
    ]
    assert (answer["kind"], answer["windows"], answer["bytes_out"]) == ("served", 3, 2)


def test_coordinator_that_cannot_be_reached_is_an_answer_and_no_crash() -> None:
    def connect(_event: dict[str, Any]) -> Wire:
        raise ConnectionRefusedError("nobody listens")

    event = {"kind": "serve", "function": "g0-0-0", "token": "t", "address": "here"}
    assert Worker(lambda _store: Shelf(), connect).invoked(event)["kind"] == "failed"
    assert Worker(lambda _store: Shelf()).invoked(event)["kind"] == "failed"


def test_token_is_good_for_its_function_until_it_expires_and_for_no_other_engine() -> None:
    tokens = CallbackTokens()
    function = FunctionId(3, 1, 0)
    token = tokens.issue(function, "job", 4, expires_s=10.0)
    assert tokens.check(token, 9.9) == function
    assert tokens.check(token, 10.1) is None
    assert tokens.check(token.replace("3-1-0", "3-1-1"), 1.0) is None
    assert CallbackTokens().check(token, 1.0) is None
    assert tokens.check("", 1.0) is None
    assert tokens.check("ä", 1.0) is None
