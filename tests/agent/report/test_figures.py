"""What a report says must be what the recording holds, and what the part's operator makes of it."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from agent.recorder.reading import Recording
from agent.report.collect import collect
from agent.report.predict import RANDOM_ORDERS, Predicted, Task, choose_method, predict, random_orders
from agent.report.verdict import verdict_of
from thermal.order import predict_map, uniformity_of
from thermal.part import Part


def test_outcomes_slack_and_fallbacks_are_those_of_the_recording(lossy: Recording, printed: Part) -> None:
    report = collect(lossy, printed)
    windows = lossy.windows
    assert report.outcomes == dict(Counter(window.outcome for window in windows))
    assert report.windows == len(windows) == 72
    fell = [window for window in windows if window.outcome != "on_time"]
    assert 0 < len(fell) == report.windows - report.on_time
    (group,) = report.fallbacks
    assert (group.windows, group.outcome, group.layers) == (len(fell), "fallback_disconnected", [0])
    assert group.cause == fell[0].cause
    assert "restore the link" in group.remedy
    counted = [window.slack_ms for window in windows if window.window > 0]
    assert report.slack.windows == len(counted) == 70
    assert report.slack.min_ms == min(counted)
    assert report.slack.median_ms == pytest.approx(np.median(counted), abs=1e-3)
    assert report.slack.guard_ms == windows[0].guard_ms
    assert report.tone == "warn"
    assert report.verdict[0].startswith(f"{len(fell)} of 72 windows ({100 * len(fell) / 72:.1f} %) fell back")
    assert [layer.order for layer in report.layers] == [
        [window.cell for window in windows if window.layer == layer] for layer in (0, 1)
    ]


@pytest.mark.parametrize(
    ("late", "min_ms", "sentence"),
    [
        (0, 1.49, "The least time left before a deadline was 1.5 ms."),
        (
            0,
            -1.86,
            "The latest cell was handed over 1.9 ms after its deadline, within the guard: the laser did not wait",
        ),
        (2, -7.0, "2 cells came too late: the laser waited."),
    ],
)
def test_slack_is_said_as_what_it_meant_for_the_laser(
    lossy: Recording, printed: Part, late: int, min_ms: float, sentence: str
) -> None:
    report = collect(lossy, printed)
    slack = msgspec.structs.replace(report.slack, late=late, min_ms=min_ms)
    assert sentence in " ".join(verdict_of(msgspec.structs.replace(report, slack=slack)))


def test_the_link_is_told_from_beginning_to_end_with_its_cause(lossy: Recording, printed: Part) -> None:
    report = collect(lossy, printed)
    assert [stretch.up for stretch in report.link] == [True, False, True]
    assert report.losses == 1
    assert report.link[1].text == "cable pulled"
    events = {event.kind: at_s for at_s, event in lossy.events}
    assert report.link[1].from_s == pytest.approx(events["link_down"], abs=1e-3)
    assert report.link[-1].to_s == pytest.approx(report.job.duration_s, abs=1e-3)


def test_predictions_are_those_of_the_reference(whole: Recording, printed: Part) -> None:
    tasks = [Task(layer, _order(whole, layer), lambda layer=layer: whole.map_K(layer)) for layer in (0, 1)]
    found = list(predict(printed, tasks, choose_method(printed, tasks)))
    for task, each in zip(tasks, found, strict=True):
        assert isinstance(each, Predicted)
        map_K = whole.map_K(task.layer)
        expected = predict_map(printed, task.layer, map_K, task.order)
        assert np.abs(each.after_K - expected).max() < 1e-3
        reference = uniformity_of(printed, task.layer, map_K, task.order)
        assert each.printed == pytest.approx(reference, rel=1e-9)
        orders = random_orders(task.layer, 36)
        assert len(orders) == RANDOM_ORDERS == len(each.random)
        assert each.random[1] == pytest.approx(uniformity_of(printed, task.layer, map_K, orders[1]), rel=1e-9)
        assert each.sequential == pytest.approx(uniformity_of(printed, task.layer, map_K, range(36)), rel=1e-9)


def test_what_the_coordinator_predicted_is_checked(whole: Recording, printed: Part) -> None:
    report = collect(whole, printed)
    told = [window.uniformity_predicted for window in whole.windows]
    for layer in report.layers:
        assert layer.uniformity is not None
        if any(value is not None for value in told):
            assert layer.uniformity_error is not None
            assert layer.uniformity_error < 1e-6
        else:
            assert layer.uniformity_error is None
    found = report.comparison
    assert found is not None
    assert found.layers == [0, 1]
    assert found.printed is not None
    assert found.random is not None
    assert found.sequential is not None
    assert found.printed < found.random, "SmartScan's order is more even than random ones on a square"
    assert f"{found.random / found.printed:.2f} times smaller than that of random orders" in report.verdict[-1]


def test_a_long_job_is_carried_in_float32_and_compared_for_some_layers(
    whole: Recording, printed: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = collect(whole, printed)
    monkeypatch.setattr("agent.report.predict.WORK_EXACT", 1.0)
    report = collect(whole, printed, compare_layers=1)
    assert report.comparison is not None
    assert report.comparison.layers == [0]
    assert report.comparison.operator == "polynomial, tolerance 1e-06, float32"
    assert report.layers[1].uniformity is not None
    assert report.layers[1].uniformity.random_mean is None
    for one, other in zip(exact.layers, report.layers, strict=True):
        assert one.uniformity is not None
        assert other.uniformity is not None
        assert other.uniformity.printed == pytest.approx(one.uniformity.printed, rel=1e-4)


def test_as_many_layers_are_compared_as_the_work_allows(printed: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_map() -> np.ndarray:
        raise AssertionError

    tasks = [Task(layer, list(range(36)), no_map) for layer in range(3)]
    assert choose_method(printed, tasks).compared == {0, 1, 2}
    monkeypatch.setattr("agent.report.predict.WORK_ORDERS", 1.0)
    assert choose_method(printed, tasks).compared == {0, 2}
    broken_off = [Task(0, [1, 2], no_map)]
    assert choose_method(printed, broken_off).compared == frozenset(), "orders of unlike length cannot be compared"


def test_without_the_part_the_recording_alone_is_told(lossy: Recording) -> None:
    report = collect(lossy, None, without="it is not here")
    assert report.windows == 72
    assert report.comparison is None
    assert report.layers[0].map_before is not None
    assert report.layers[0].map_before.mean_K == pytest.approx(float(lossy.map_K(0).mean()), abs=0.01)
    assert report.layers[0].map_after is None
    assert report.layers[0].cells == 36
    assert "they need the part. it is not here" in report.missing[0]


def test_a_cell_twice_in_a_layer_is_said_and_the_other_layers_are_predicted(
    whole: Recording, printed: Part
) -> None:
    first = whole.windows[0]
    for place, each in enumerate(whole.messages):
        if each.message == whole.windows[3]:
            import msgspec

            moved = msgspec.structs.replace(whole.windows[3], cell=first.cell)
            whole.messages[place] = type(each)(each.at_s, moved)
            break
    report = collect(whole, printed)
    assert f"cell {first.cell} occurs twice" in report.layers[0].note
    assert report.layers[0].uniformity is None
    assert report.layers[1].uniformity is not None
    assert report.layers[0].complete is False


def _order(recording: Recording, layer: int) -> list[int]:
    return [window.cell for window in recording.windows if window.layer == layer]
