"""Who may open a connection, in figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud.access.strangers import SAY_AGAIN_S, Bucket, Strangers, network_of
from protocol.limits import Limits

HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_connections_of_an_address_are_limited_by_rate_and_others_are_not() -> None:
    strangers = Strangers(Limits(connections_per_address_per_s=10.0, connections_per_address_burst=5))

    def comes(host: str, now_s: float) -> bool:
        why = strangers.comes(host, now_s)
        if not why:
            strangers.settled(host)
        return not why

    assert [comes(HERE, 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert comes(THERE, 0.0)
    assert [comes(HERE, 0.2) for _ in range(3)] == [True, True, False]


def test_wrong_tokens_shut_an_address_out_for_a_while() -> None:
    strangers = Strangers(Limits(tokens_wrong_per_minute_max=3, shut_out_s=60.0))
    for _ in range(4):
        assert strangers.comes(HERE, 0.0) == ""
        strangers.wrong(HERE, 0.0)
        strangers.settled(HERE)
    assert "tokens" in strangers.comes(HERE, 59.0)
    assert strangers.comes(THERE, 59.0) == ""
    assert strangers.comes(HERE, 60.0) == ""


def test_printers_behind_the_same_address_are_not_shut_out() -> None:
    strangers = Strangers(Limits(tokens_wrong_per_minute_max=1))
    strangers.printer(HERE, 1)
    for _ in range(5):
        strangers.wrong(HERE, 0.0)
    assert strangers.comes(HERE, 0.0) == ""
    strangers.printer(HERE, -1)
    assert strangers.comes(HERE, 0.0) != ""


def test_connections_that_ask_for_nothing_are_limited() -> None:
    strangers = Strangers(Limits(opening_per_address_max=2))
    assert [strangers.comes(HERE, 0.0) for _ in range(2)] == ["", ""]
    assert "opening_per_address_max" in strangers.comes(HERE, 0.0)
    strangers.settled(HERE)
    assert strangers.comes(HERE, 0.0) == ""


def test_it_is_said_once_in_a_while() -> None:
    strangers = Strangers(Limits())
    assert [strangers.to_be_said(HERE, now_s) for now_s in (0.0, SAY_AGAIN_S - 1, SAY_AGAIN_S)] == [
        True,
        False,
        True,
    ]


@given(st.lists(st.integers(0, 200), max_size=300))
def test_memory_is_bounded_and_open_connections_are_never_forgotten(hosts: list[int]) -> None:
    strangers = Strangers(Limits(addresses_max=8, opening_per_address_max=1))
    assert strangers.comes("held", 0.0) == ""
    for host in hosts:
        name = f"198.51.100.{host}"
        if not strangers.comes(name, 0.0):
            strangers.settled(name)
        assert len(strangers) <= 8
    assert strangers.comes("held", 0.0) != ""


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("2001:db8:1::1") != network_of("2001:db8::1")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of(HERE) == HERE
    assert network_of("no:address") == "no:address"


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=100))
def test_waiting_as_told_never_passes_the_rate(pauses_s: list[float]) -> None:
    bucket, now_s = Bucket(10.0, 5.0), 0.0
    for taken, pause_s in enumerate(pauses_s, 1):
        now_s += pause_s
        now_s += bucket.wait_s(now_s)
        assert taken <= 5.0 + 10.0 * now_s + 1e-6
