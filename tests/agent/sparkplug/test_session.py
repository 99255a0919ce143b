"""The sequence of a Sparkplug session, for any history of connections, births and changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sparkplug.metrics import METRICS, Reading
from agent.sparkplug.schema import DataType, payload_class
from agent.sparkplug.session import BD_SEQ, Session

VALUES: dict[DataType, st.SearchStrategy[Reading]] = {
    DataType.INT64: st.none() | st.integers(0, 2**63 - 1),
    DataType.DOUBLE: st.none() | st.floats(allow_nan=False),
    DataType.STRING: st.none() | st.text(max_size=20),
}
READINGS = st.tuples(*(VALUES[metric.kind] for metric in METRICS)).map(list)


def read(payload: bytes) -> object:
    found = payload_class()()
    found.ParseFromString(payload)
    return found


def value_of(metric: object) -> Reading:
    if metric.is_null:  # type: ignore[attr-defined]
        return None
    return getattr(metric, metric.WhichOneof("value"))  # type: ignore[attr-defined,no-any-return]


@given(st.lists(READINGS, min_size=1, max_size=6))
def test_a_host_that_follows_births_and_data_knows_every_value(histories: list[list[Reading]]) -> None:
    session = Session()
    session.death_of_next()
    session.node_birth(1)
    born = read(session.device_birth(1, histories[0]))
    known = {metric.alias: value_of(metric) for metric in born.metrics}  # type: ignore[attr-defined]
    seq = born.seq  # type: ignore[attr-defined]
    for values in histories[1:]:
        data = session.data(2, values)
        if data is None:
            continue
        told = read(data)
        seq = (seq + 1) % 256
        assert told.seq == seq  # type: ignore[attr-defined]
        known.update({metric.alias: value_of(metric) for metric in told.metrics})  # type: ignore[attr-defined]
    assert [known[place + 1] for place in range(len(METRICS))] == histories[-1]


@given(st.integers(1, 600))
def test_every_connection_has_its_own_number_in_will_and_birth(connections: int) -> None:
    session = Session()
    for number in range(connections):
        death = read(session.death_of_next())
        birth = read(session.node_birth(5))
        (expected,) = [metric.long_value for metric in death.metrics]  # type: ignore[attr-defined]
        told = {metric.name: metric.long_value for metric in birth.metrics}  # type: ignore[attr-defined]
        assert told[BD_SEQ] == expected == number % 256
        assert birth.seq == 0  # type: ignore[attr-defined]


def test_the_sequence_wraps_after_255() -> None:
    session = Session()
    session.death_of_next()
    session.node_birth(1)
    values: list[Reading] = [None] * len(METRICS)
    session.device_birth(1, values)
    place = next(place for place, metric in enumerate(METRICS) if metric.kind is DataType.INT64)
    seqs = []
    for count in range(300):
        values[place] = count
        data = session.data(1, values)
        assert data is not None
        seqs.append(read(data).seq)  # type: ignore[attr-defined]
    assert seqs == [(2 + count) % 256 for count in range(300)]


@given(st.binary(max_size=200))
def test_no_command_that_is_not_one_breaks_anything(command: bytes) -> None:
    assert Session().asks_for_rebirth(command) in (True, False)


def test_a_rebirth_command_must_say_true() -> None:
    command = payload_class()()
    metric = command.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=False)
    assert not Session().asks_for_rebirth(command.SerializeToString())
    metric.boolean_value = True
    assert Session().asks_for_rebirth(command.SerializeToString())


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_shows_a_field_of_its_topic(metric: object) -> None:
    from agent.mqtt.payloads import TOPICS

    assert metric.field in TOPICS[metric.subject].__struct_fields__  # type: ignore[attr-defined]
