"""The paper's evaluation on small jobs: real orders, plans predicted right, results that survive a kill."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import msgspec
import pytest

from cloud.commands import app
from cloud.evaluation.choosing import Chooser
from cloud.evaluation.drawing import draw_figures
from cloud.evaluation.figures import figures
from cloud.evaluation.jobs import evaluate
from cloud.evaluation.records import LayerRun, Predicted, Record, read_record, record_file, write_record
from cloud.evaluation.report import sentences, write_files
from cloud.evaluation.schedule import run_all
from cloud.evaluation.summary import Records, prediction, summary
from cloud.evaluation.systems import ABLATION, FIVE, SYSTEMS, System
from cloud.planner.platform import read_platform
from cloud.plans import Plan
from cosmic.commands import run
from tests.cloud.evaluation.conftest import task

GEAR = "segmented-gear-4cm2"
Evaluated = tuple[Path, Records]


def test_every_system_runs_its_best_plan_on_real_orders(evaluated: Evaluated) -> None:
    _, records = evaluated
    assert list(records.of[GEAR]) == list(SYSTEMS)
    for name, record in records.of[GEAR].items():
        assert record.in_time, name
        assert record.layers[0].equal_share == 1.0 or name in {"float32", "ours"}
        assert record.cpu_s > 0
    costs = {name: record.cost_usd for name, record in records.of[GEAR].items()}
    assert costs["inline"] == 0
    assert costs["cosmic"] <= min(costs[name] for name in ABLATION)
    assert costs["float32"] < 0.7 * costs["cosmic"]


def test_machines_are_paid_for_while_powder_is_spread(evaluated: Evaluated) -> None:
    machines = evaluated[1].of[GEAR]["vm"]
    assert machines.plan is not None
    assert machines.plan.always_on
    fleet = machines.plan.functions_per_group * machines.plan.memory_mb / 65_536
    assert machines.cost_usd == pytest.approx(fleet * 0.334 / 3600 * (machines.layer_s + 15), rel=1e-3)


def test_the_planner_predicts_runtime_and_cost_within_a_few_percent(evaluated: Evaluated) -> None:
    found = prediction(evaluated[1].all)
    assert found["plans"] == len(SYSTEMS) - 2 + len(FIVE)  # inline has no plan, cold another platform
    assert found["runtime_mean_error"] < 0.02
    assert found["runtime_worst_error"] < 0.06
    assert found["cost_mean_error"] < 0.03
    assert found["feasibility_agreed"] == found["plans_by_the_layer"]


def test_our_stricter_rule_holds_every_window(evaluated: Evaluated) -> None:
    systems = evaluated[1].of[GEAR]
    assert systems["ours"].every_window
    assert systems["inline"].every_window


def test_lost_environments_are_found_and_stood_in_for(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, records = evaluated
    warm = records.of[GEAR]["cosmic"]
    write_record(record_file(tmp_path, GEAR, "cosmic"), warm)
    (tmp_path / "parts").symlink_to(folder / "parts")
    platform, _ = read_platform()
    lossy = msgspec.structs.replace(platform.profile, cold_share=(0.05, 0.05, 0.05, 1.0))
    monkeypatch.setattr("cloud.evaluation.jobs.read_platform", lambda _name: (replace(platform, profile=lossy), {}))
    evaluate(task(tmp_path, systems=("cold",)))
    cold = read_record(record_file(tmp_path, GEAR, "cold"))
    assert cold is not None
    assert cold.plan == warm.plan
    assert cold.cold_starts > 0 == warm.cold_starts
    assert cold.layers[0].equal_share == 1.0
    assert cold.warm_usd > warm.warm_usd


def test_figures_are_written_as_json_csv_and_pictures(evaluated: Evaluated, tmp_path: Path) -> None:
    _, records = evaluated
    made, numbers = figures(records), summary(records)
    write_files(tmp_path, numbers, made)
    pictures = draw_figures(made, tmp_path, records.of[GEAR]["cosmic"].leads_ms or [0.1])
    document = json.loads((tmp_path / "evaluation.json").read_bytes())
    assert document["summary"]["jobs"] == 2
    names = [figure["name"] for figure in document["figures"]]
    assert names[:5] == ["deadlines", "figure-14", "figure-15", "figure-16", "figure-17"]
    rows = list(csv.DictReader((tmp_path / "figure-14.csv").open()))
    assert [row["cosmic"] for row in rows] == ["1.0", "1.0"]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert {picture.stem for picture in pictures} >= {"figure-14", "figure-15", "figure-16", "predicted", "beyond"}
    assert any("machines:" in line for line in sentences(numbers))


def test_what_is_there_is_not_made_again_and_half_a_record_is(evaluated: Evaluated) -> None:
    folder, _ = evaluated
    files = sorted((folder / "records").rglob("*.json"))
    half = record_file(folder, GEAR, "vm")
    before, whole = {file: file.stat().st_mtime_ns for file in files}, half.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    told: list[int] = []
    run_all([task(folder), task(folder, "simple-l-bracket", systems=FIVE)], 0, lambda done, *_: told.append(done))
    assert told == [len(files) - 1, len(files)]
    assert [file for file in files if file.stat().st_mtime_ns != before[file]] == [half]
    again, first = (msgspec.json.decode(content, type=Record) for content in (half.read_bytes(), whole))
    assert msgspec.structs.replace(again, cpu_s=0) == msgspec.structs.replace(first, cpu_s=0)


def test_records_of_another_seed_or_profile_are_made_again(evaluated: Evaluated) -> None:
    folder, _ = evaluated
    platform, _ = read_platform()
    other = replace(platform, profile=msgspec.structs.replace(platform.profile, one_way_ms=1.0))
    assert task(folder).missing(platform) == []
    assert task(folder, seed=1).missing(platform) == list(SYSTEMS)
    assert task(folder).missing(other) == list(SYSTEMS)


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    words = ["bench", "paper", "--out", str(tmp_path), "--jobs", "simple-l-bracket-9cm2,holed-l-bracket-9cm2"]
    words += ["--strategies", "cosmic,vm", "--no-plots", "--processes", "2"]
    code = "import sys; from cloud.commands import main; sys.argv[0] = 'cosmic-cloud'; main()"
    with subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE) as process:
        until_s = monotonic() + 100
        while not (there := list((tmp_path / "records").rglob("*.json"))):
            assert process.poll() is None
            assert monotonic() < until_s
            sleep(0.02)  # looks again: nothing else tells of a file
        process.send_signal(signal.SIGKILL)
    made = {file: file.stat().st_mtime_ns for file in there}
    assert run(app, "cosmic-cloud", words) == 0
    records = list((tmp_path / "records").rglob("*.json"))
    assert len(records) == 4
    assert all(file.stat().st_mtime_ns == at for file, at in made.items())
    assert (tmp_path / "evaluation.json").is_file()


def test_a_plan_that_turns_out_too_slow_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []
    choose = Chooser.choose

    def first_too_slow(
        self: Chooser, name: str, system: System, deadline_s: float | None = None
    ) -> tuple[Plan, Predicted] | None:
        asked.append(deadline_s)
        found = choose(self, name, system, deadline_s)
        assert found is not None
        if deadline_s is None:  # a plan that the model takes for the best, and that is none
            return msgspec.structs.replace(found[0], rows=1, groups=69, mode="on_demand"), found[1]
        return found

    monkeypatch.setattr(Chooser, "choose", first_too_slow)
    platform, _ = read_platform()
    slow = msgspec.structs.replace(platform.profile, product_bytes_s=platform.profile.product_bytes_s / 3)
    monkeypatch.setattr("cloud.evaluation.jobs.read_platform", lambda _name: (replace(platform, profile=slow), {}))
    evaluate(task(tmp_path, systems=("grouping",)))
    record = read_record(record_file(tmp_path, GEAR, "grouping"))
    assert record is not None
    assert (record.tries, record.in_time) == (2, True)
    assert asked[0] is None
    assert asked[1] is not None
    assert asked[1] < record.layer_s


def made_up(
    job: str, system: str, cost: float, *, runtime_s: float = 5.0, predicted: float | None = None
) -> Record:
    layer = LayerRun(runtime_s=runtime_s, late_windows=0, lateness_s=-1.0, equal_share=1.0)
    return Record(
        job=job, shape="s", area_cm2=9.0, elements=100, cells=10, operators=5, dense_gb=1.0, layer_s=6.0,
        spreading_s=15.0, system=system, fingerprint="", plan=None,
        predicted=Predicted(feasible=True, runtime_s=5.0, cost_usd=predicted or cost), tries=1, layers=(layer,),
        cost_usd=cost,
    )  # fmt: skip


def test_the_cheapest_system_is_counted_and_held_against_the_planner() -> None:
    costs = {"cosmic": 1.0, "invoke-on-demand": 3.0, "all-persistent": 4.0, "all-active": 5.0, "vm": 2.0}
    right = [made_up("a", name, cost) for name, cost in costs.items()]
    wrong = [made_up("b", name, cost, predicted=0.5 if name == "vm" else None) for name, cost in costs.items()]
    late = [made_up("c", name, cost, runtime_s=7.0 if name == "cosmic" else 5.0) for name, cost in costs.items()]
    found = summary(Records([*right, *wrong, *late]))
    cheapest = found["cheapest"]
    assert cheapest["by_system"] == {
        "cosmic": 2, "invoke-on-demand": 0, "all-persistent": 0, "all-active": 0, "vm": 1
    }  # fmt: skip
    assert cheapest["planner_agrees"] == 1
    assert cheapest["cosmic_at_most_as_dear_as_serverless"] == 2
    assert cheapest["next_serverless_over_cosmic"]["median"] == 3.0
    assert found["in_time"]["cosmic"]["layer"] == 2
    assert found["cost_over_cosmic"]["vm"] == {"jobs": 2, "median": 2.0, "least": 2.0, "most": 2.0}
    assert found["savings_usd_per_cm"]["9"] == {"machines": 200.0, "next_serverless": 400.0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--jobs", "cube"), "'cube' is not known"),
        (("--strategies", "best"), "'best' is not known"),
        (("--strategies", "cold"), "cold runs the plan of cosmic"),
        (("--profile", "none"), "there is no profile 'none'"),
    ],
)
def test_words_that_mean_nothing_are_refused_in_one_line(
    words: tuple[str, ...], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(app, "cosmic-cloud", ["bench", "paper", "--out", str(tmp_path / "out"), *words]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_the_command_prints_one_document(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--jobs", "simple-l-bracket-9cm2", "--strategies", "cosmic,invoke-on-demand", "--json", "--no-plots"]
    assert run(app, "cosmic-cloud", ["bench", "paper", "--out", str(tmp_path), *words]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert document["summary"]["in_time"]["cosmic"]["of"] == 1
    assert all(Path(file).exists() for file in document["files"])
    assert "2 of 2 systems on jobs" in err
