"""A short campaign on every target, the same every time, and all that was ever found."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import FINDINGS, campaign, feed
from tests.fuzz.targets import Target, targets

TARGETS = targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_documented_errors_leave(target: Target) -> None:
    outcome = campaign(target, seed=1, inputs=300, seconds=20.0)
    assert not outcome.findings, "\n".join(outcome.findings.values())
    assert outcome.inputs >= 20


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_input_is_accepted(target: Target) -> None:
    for data in target.corpus:
        if target.name in ("agent-message", "coordinator-message"):
            continue  # which of them is legal depends on what came before; `conversation` has them in order
        assert feed(target, data), data[:100]


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("*-*")), ids=lambda path: path.name)
def test_what_was_found_once_is_refused_by_its_error(path: object) -> None:
    name = path.name.rpartition("-")[0]  # type: ignore[attr-defined]
    (target,) = [target for target in TARGETS if target.name == name]
    feed(target, path.read_bytes())  # type: ignore[attr-defined]
