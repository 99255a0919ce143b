"""`cosmic-cloud bench window`: what it tells, not how fast the machine of the tests is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.commands import bench
from cosmic.commands import run
from thermal.operators.fused import fused_available

SMALL = ["window", "--area", "0.25", "--dense-mb", "1", "--windows", "3"]


def document(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(bench.app, "cosmic-cloud bench", [*SMALL, "--json"]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_a_window_is_measured_against_the_dense_product(capfd: pytest.CaptureFixture[str]) -> None:
    found = document(capfd)
    elements, dense = found["elements"], found["dense"]
    assert elements == pytest.approx(625, rel=0.02)
    assert dense["rows_measured"] == 10**6 // (8 * elements)
    assert dense["scaled_from_slice"]
    assert dense["product_ms"] == pytest.approx(
        dense["slice_ms"] * elements / dense["rows_measured"], rel=0.05, abs=0.02
    )
    scipy = found["polynomial"]["scipy"]
    assert scipy["window_ms"] >= max(scipy["operator_ms"], scipy["choice_ms"]) > 0
    assert scipy["windows"] == 3
    assert (found["polynomial"]["fused"] is not None) == fused_available()


def test_without_numba_the_fused_kernel_is_told_to_be_missing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thermal.operators.fused.fused_available", lambda: False)
    assert document(capfd)["polynomial"]["fused"] is None
    assert run(bench.app, "cosmic-cloud bench", SMALL) == 0
    told = capfd.readouterr()
    assert "polynomial, scipy" in told.out
    assert "scaled by rows" in told.out
    assert "cosmic-lpbf[fast]" in told.err


def test_an_unknown_shape_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(bench.app, "cosmic-cloud bench", ["window", "--shape", "teapot"]) == 2
    assert "teapot" in capfd.readouterr().err
