"""What protocol.md promises, checked on what a simulated job logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agent.configuration import SimulatedFaults
from tests.simulation.network import PING_S
from tests.simulation.world import World
from thermal.order import order_layer

RECOVERY_S = 0.4 + 0.05 + 36 * 0.0045 * 1.5 + 0.1
"""Worst case from the last fault's end to decisions: back-off, loading, catching up over 36 cells, round trips."""


def check(world: World) -> None:
    """Raise AssertionError naming the invariant that does not hold."""
    well = world.machine == SimulatedFaults(seed=world.machine.seed)
    ends = [line for line in world.lines if line["event"] == "job"]
    assert len(ends) == 1, "a job is closed once"
    aborted = ends[0]["reason"] == "aborted by the machine"
    assert aborted == bool(world.machine.at), "a job that was given up says so"
    for layer in world.driver.scanned:
        windows = [line for line in world.lines if line["event"] == "window" and line["layer"] == layer]
        scanned = world.driver.scanned[layer]
        cells = len(world.part.geometry_of(layer).cells)
        order = [line["cell"] for line in windows]
        assert len(set(scanned)) == len(scanned), f"1: layer {layer}: no cell twice, got {scanned}"
        broken_off = aborted and layer == max(world.driver.scanned)
        assert len(scanned) == cells or broken_off, f"1: layer {layer}: every cell exactly once, got {scanned}"
        assert order == scanned, f"4: layer {layer}: records say what the machine scanned, {scanned}, got {order}"
        assert [line["window"] for line in windows] == list(range(len(scanned))), f"8: layer {layer}: records"
        if well:
            _in_time(world, layer, windows)
            _recovers(world, layer, windows)
        if scanned:
            _follows_smartscan(world, layer, windows)
    refused = [line for line in world.lines if line["event"] == "layer_refused" and line["code"] == "bad_cells"]
    assert not refused, f"5: agent and coordinator disagree on what was printed: {refused}"
    bugs = ("internal_error", "uplink_stopped", "fallback_failed", "driver_error", "observer_failed")
    errors = [line for line in world.lines if line["event"] in bugs]
    assert not errors, f"a bug was met: {errors}"


def _in_time(world: World, layer: int, windows: Sequence[Any]) -> None:
    """2: no cell comes after its deadline, and the laser never stands still."""
    late = [line["window"] for line in windows if line["slack_ms"] < -1e-6]
    assert not late, f"2: layer {layer}: handed over after the deadline in windows {late}"
    summary = _summary(world, layer)
    assert summary["order"] == [line["cell"] for line in windows], f"4: layer {layer}: order"
    assert summary["starved_ms"] < 1e-6, f"2: layer {layer}: the laser stood still"


def _summary(world: World, layer: int) -> Any:
    """Return the agent's line of a layer; the coordinator has one as well."""
    return next(
        line for line in world.lines if line["event"] == "layer" and "order" in line and line["layer"] == layer
    )


def _follows_smartscan(world: World, layer: int, windows: Sequence[Any]) -> None:
    """6: decided cells are those that SmartScan chooses in one process, given the cells scanned before."""
    summary = _summary(world, layer)
    if summary["map_from"] != "camera":
        return
    map_K = world.camera.maps[layer]
    order = [line["cell"] for line in windows]
    expected = order_layer(world.part, layer, map_K).order
    for window, line in enumerate(windows):
        if world.dispatch == "layer" and line["outcome"] == "fallback_machine":
            return  # the machine left the sequence: the rest of it was decided before
        if line["source"] == "fallback":
            expected = order_layer(world.part, layer, map_K, printed=order[: window + 1]).order
        assert line["source"] == "fallback" or line["cell"] == expected[window], (
            f"6: layer {layer}, window {window}: cell {line['cell']} is not SmartScan's {expected[window]}"
        )


def _recovers(world: World, layer: int, windows: Sequence[Any]) -> None:
    """7: after the last fault and the time to recover, every window is decided."""
    silent = any(fault.kind == "silent" for fault in world.schedule)
    well_s = world.last_fault_s + RECOVERY_S + (PING_S if silent else 0.0)
    refused = any(line["event"] == "coordinator_failed" and line["layer"] == layer for line in world.lines)
    if world.layer_began_s[layer] < well_s or refused:
        return
    fallbacks = [line["window"] for line in windows if line["source"] == "fallback"]
    assert not fallbacks, f"7: layer {layer}: windows {fallbacks} fell back though every fault was over"


def log_of(world: World) -> bytes:
    """Return all that was logged, but for what depends on the machine: times that were really measured."""
    lines = [
        {key: value for key, value in line.items() if not key.startswith(("compute_ms", "load_ms"))}
        for line in world.lines
    ]
    return repr([{k: np.asarray(v).tolist() for k, v in line.items()} for line in lines]).encode()
