"""Who is given a place, in figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.sharing.admission import MESSAGES_S, SMOOTHING, Admission, Cost, Overloaded

WINDOW_S = 0.04


def admission(cores: float = 2.0, load_max: float = 0.75, jobs_max: int = 1000, **cost: float) -> Admission:
    made = Admission(cores, load_max, rejoin_s=30.0, jobs_max=jobs_max)
    made.measured("part", Cost(**cost))
    return made


def fill(into: Admission, most: int = 1000) -> int:
    """Open jobs until one is refused; return how many have a place."""
    for number in range(most):
        try:
            into.open(f"printer-{number}", "job", "part", WINDOW_S, 0.0)
        except Overloaded:
            return number
    return most


def test_jobs_are_taken_up_to_the_share_of_the_processors() -> None:
    assert fill(admission(product_s=0.0039 - MESSAGES_S)) == 15  # just below 0.1 of one each; 1.5 of two


def test_the_loop_is_one_thread_however_many_processors_there_are() -> None:
    assert fill(admission(cores=64, loop_s=0.004 - MESSAGES_S)) == 7  # 0.1 each, of 0.75


def test_refusal_says_the_figures_the_limit_and_the_remedy() -> None:
    full = admission(product_s=0.02)
    fill(full)
    with pytest.raises(Overloaded) as refusal:
        full.open("another", "job", "part", WINDOW_S, 0.0)
    assert "limits.load_max" in refusal.value.why
    assert "75%" in refusal.value.why
    assert "wait for a job to end" in refusal.value.remedy


def test_the_first_job_is_always_taken_since_nobody_is_made_late() -> None:
    heavy = admission(product_s=1.0)
    heavy.open("alone", "job", "part", WINDOW_S, 0.0)
    assert heavy.jobs == 1


def test_a_job_that_closes_frees_its_place() -> None:
    full = admission(product_s=0.01)
    taken = fill(full)
    full.close("printer-0", "job")
    full.open("another", "job", "part", WINDOW_S, 0.0)
    assert full.jobs == taken


def test_a_job_that_comes_back_is_taken_however_full_it_is() -> None:
    full = admission(product_s=0.01)
    fill(full)
    full.left("printer-0", "job", 1.0)
    full.measured("dear", Cost(product_s=1.0))
    full.open("printer-0", "job", "part", WINDOW_S, 30.9)
    with pytest.raises(Overloaded):
        full.open("another", "job", "part", WINDOW_S, 31.5)


def test_a_place_is_kept_for_a_lost_job_and_then_given_to_another() -> None:
    full = admission(product_s=0.01)
    fill(full)
    full.left("printer-0", "job", 1.0)
    with pytest.raises(Overloaded):
        full.open("another", "job", "part", WINDOW_S, 31.0)
    full.open("another", "job", "part", WINDOW_S, 31.1)


def test_a_job_on_two_connections_has_one_place_until_both_are_lost() -> None:
    full = admission(product_s=0.01)
    fill(full)
    full.open("printer-0", "job", "part", WINDOW_S, 0.0)
    full.left("printer-0", "job", 1.0)
    with pytest.raises(Overloaded):
        full.open("another", "job", "part", WINDOW_S, 100.0)
    full.left("printer-0", "job", 100.0)
    full.open("another", "job", "part", WINDOW_S, 131.0)


def test_what_windows_really_take_is_learned() -> None:
    learning = admission(product_s=0.001)
    for _ in range(20 * round(1 / SMOOTHING)):
        learning.learned("part", Cost(product_s=0.004))
    assert learning.cost("part").product_s == pytest.approx(0.004, rel=1e-3)
    learning.measured("part", Cost(product_s=0.001))
    assert learning.cost("part").product_s == pytest.approx(0.004, rel=1e-3)


def test_what_the_loop_spends_beside_windows_is_shared_among_them() -> None:
    busy = admission(loop_s=0.001)
    busy.loop_used(10.0)
    for second in range(40):
        for _ in range(100):
            busy.learned("part", Cost(loop_s=0.001))
        busy.loop_used(10.0 + 0.3 * (second + 1))
    assert busy.cost("part").loop_s == pytest.approx(0.003, rel=1e-3)


def test_nobody_is_taken_while_turns_are_late_and_again_when_they_are_not() -> None:
    late = admission(product_s=0.001)
    late.open("printer-0", "job", "part", WINDOW_S, 0.0)
    late.turns_given(100, 20)
    with pytest.raises(Overloaded, match="no room") as refusal:
        late.open("another", "job", "part", WINDOW_S, 0.0)
    assert "of their turns are late" in refusal.value.why
    for second in range(20):
        late.turns_given(200 + 100 * second, 20)
    late.open("another", "job", "part", WINDOW_S, 0.0)


def test_jobs_are_bounded_in_number() -> None:
    assert fill(admission(jobs_max=5)) == 5


def test_an_engine_that_makes_one_product_at_a_time_has_no_room_for_more_than_it_can_make() -> None:
    made = admission(cores=64, engine_s=0.01)  # a quarter of a window: three fit below 75 %
    made.measured("another part", Cost(engine_s=0.01))
    assert fill(made) == 3
    with pytest.raises(Overloaded) as refusal:
        made.open("another", "job", "part", WINDOW_S, 0.0)
    assert "75% of the part's engine" in refusal.value.why
    assert "25.0% more" in refusal.value.why
    made.open("another", "job", "another part", WINDOW_S, 0.0)  # it has an engine of its own


def test_a_printer_needs_what_its_most_demanding_job_does_however_many_it_has_open() -> None:
    made = admission(product_s=0.01)
    made.measured("dear", Cost(product_s=0.02))
    for number in range(3):
        made.open("press", f"job-{number}", "part", WINDOW_S, 0.0)
    once = made.load()
    made.open("press", "dear one", "dear", WINDOW_S, 0.0)
    assert made.jobs == 4
    assert once.cores == pytest.approx((0.01 + MESSAGES_S) / WINDOW_S / 2)
    assert made.load().cores == pytest.approx((0.02 + MESSAGES_S) / WINDOW_S / 2)


def test_a_printer_that_opens_job_after_job_fills_one_place_and_leaves_the_others_theirs() -> None:
    made = admission(product_s=0.0039 - MESSAGES_S)
    for number in range(1000):
        made.open("taken over", f"job-{number}", "part", WINDOW_S, 0.0)
        made.left("taken over", f"job-{number}", 0.0)
        assert made.jobs == 1
    assert fill(made) == 14  # fifteen in all


def test_a_printer_that_goes_on_to_a_job_that_needs_no_more_is_not_refused() -> None:
    full = admission(product_s=0.01)
    full.measured("dear", Cost(product_s=0.02))
    fill(full)
    full.turns_given(100, 20)
    full.left("printer-0", "job", 1.0)
    full.open("printer-0", "the next", "part", WINDOW_S, 2.0)
    with pytest.raises(Overloaded):
        full.open("printer-0", "a dearer one", "dear", WINDOW_S, 2.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "left", "close"]),
            st.integers(0, 9),
            st.floats(0.0, 0.05),
        ),
        max_size=60,
    )
)
def test_load_never_passes_the_limit_but_for_a_printer_alone(happenings: list[tuple[str, int, float]]) -> None:
    made = Admission(2.0, 0.75, rejoin_s=5.0)
    for number in range(10):
        made.measured(f"part-{number}", Cost(product_s=0.008 * number, loop_s=0.002 * number))
    now_s, largest = 0.0, 0.0
    for what, number, pause_s in happenings:
        now_s += 100 * pause_s
        printer, job = f"printer-{number // 2}", f"job-{number}"
        if what == "open":
            try:
                made.open(printer, job, f"part-{number}", WINDOW_S, now_s)
            except Overloaded:
                assert made.printers > 0
            if made.printers == 1:
                largest = max(largest, made.load().most)
        elif what == "left":
            made.left(printer, job, now_s)
        else:
            made.close(printer, job)
        assert made.load().most <= max(0.75, largest) + 1e-9
