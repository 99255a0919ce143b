"""Who may read: the checks themselves."""

from __future__ import annotations

import base64
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmic.web.access import Access, RateLimit, is_loopback, known_names

OPEN = Access(names=known_names(["cell-7.plant.example"]))
GUARDED = Access(token="0123456789abcdef", names=known_names([]))


def status(access: Access, method: str = "GET", path: str = "/", **headers: str) -> int:
    given = {"Host": "127.0.0.1:8480", **{name.replace("_", "-"): value for name, value in headers.items()}}
    refusal = access.refusal(method, path, given)
    return 200 if refusal is None else int(refusal.status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "get"])
def test_only_reading_is_allowed(method: str) -> None:
    assert status(OPEN, method) == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "host", ["127.0.0.1:80", "[::1]:8480", "10.1.2.3", "localhost:1", "cell-7.plant.example:8480"]
)
def test_addresses_and_known_names_are_answered(host: str) -> None:
    assert status(OPEN, Host=host) == 200


@given(name=st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z][a-z0-9]{0,10}){1,3}", fullmatch=True))
def test_a_name_that_nobody_configured_is_refused_however_it_looks(name: str) -> None:
    if name not in OPEN.names:
        assert status(OPEN, Host=name) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "[::1", "localhost.evil:80"])
def test_a_rebound_name_is_refused(host: str) -> None:
    assert status(OPEN, Host=host) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8480", 200),
        ("http://127.0.0.1:9", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str, expected: int) -> None:
    assert status(OPEN, Origin=origin) == expected


@given(text=st.text(st.characters(), max_size=30))
def test_no_header_is_so_odd_that_it_breaks_the_check(text: str) -> None:
    for name in ("Host", "Origin", "Authorization", "Sec_Fetch_Site"):
        assert status(GUARDED, **{name: text}) in {401, 403}


def test_other_sites_may_link_here_but_not_read() -> None:
    assert status(OPEN, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == HTTPStatus.FORBIDDEN
    assert status(OPEN, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 200


def test_a_token_opens_as_bearer_and_as_a_browsers_password() -> None:
    basic = base64.b64encode(b"anybody:0123456789abcdef").decode()
    assert status(GUARDED, Authorization="Bearer 0123456789abcdef") == 200
    assert status(GUARDED, Authorization=f"Basic {basic}") == 200


@given(text=st.text(max_size=60))
def test_nothing_else_opens(text: str) -> None:
    if "0123456789abcdef" not in text:
        assert status(GUARDED, Authorization=text) == HTTPStatus.UNAUTHORIZED
        assert status(GUARDED, Authorization=f"Basic {text}") == HTTPStatus.UNAUTHORIZED


def test_health_needs_no_token() -> None:
    assert status(GUARDED, path="/healthz") == 200
    assert status(GUARDED, path="/metrics") == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104
)
def test_what_only_this_machine_can_reach(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@given(per_s=st.floats(1.0, 100.0), times=st.lists(st.floats(0.0, 10.0), max_size=300))
def test_never_more_than_the_rate_and_one_burst(per_s: float, times: list[float]) -> None:
    limit = RateLimit(per_s)
    times.sort()
    taken = sum(limit.take(time_s) for time_s in times)
    length_s = times[-1] - times[0] if times else 0.0
    assert taken <= per_s + per_s * length_s + 1e-6
    if len(times) <= per_s:
        assert taken == len(times)
