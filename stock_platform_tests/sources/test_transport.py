"""Pace, patience and destination of requests, against a real server."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from time import monotonic

import pytest
from curl_cffi.requests.exceptions import InvalidURL, RequestException

from stock_platform.sources.recording import RefusedError
from stock_platform.sources.transport import YahooSession, retry_after_seconds
from stock_platform_tests.sources.local_yahoo import Served, Yahoo, chart_body

URL = "https://query2.finance.yahoo.com/v8/finance/chart/T"
PARAMS = {"period1": 0, "period2": 9, "crumb": "secret"}
NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def test_every_host_is_asked_at_the_base_url(yahoo: Yahoo, session: YahooSession):
    yahoo.serve("T", Served(body=chart_body("T")))
    session.get("https://fc.yahoo.com")
    session.get(URL, params=PARAMS)
    assert yahoo.asked == [
        "/fc.yahoo.com/",
        "/query2.finance.yahoo.com/v8/finance/chart/T?period1=0&period2=9&crumb=secret",
    ]


def test_charts_are_recorded_under_yahoos_own_address_and_without_the_crumb(
    yahoo: Yahoo, session: YahooSession
):
    yahoo.serve("T", Served(body=chart_body("T")))
    session.get("https://fc.yahoo.com")
    session.get(URL, params=PARAMS)
    (answer,) = session.answers
    assert (answer.url, answer.status) == (f"{URL}?period1=0&period2=9", 200)
    assert answer.body == chart_body("T")
    assert answer.fetched_at.tzinfo is UTC


def test_a_redirected_session_asks_nothing_elsewhere(session: YahooSession):
    with pytest.raises(InvalidURL, match="only https"):
        session.get("http://example.org/v8/finance")


def test_a_redirected_session_does_not_follow_the_server_elsewhere(
    yahoo: Yahoo, session: YahooSession
):
    yahoo.serve("T", Served(302, headers={"Location": "https://example.org/"}))
    assert session.get(URL, params=PARAMS).status_code == 302


def test_a_chart_is_asked_for_again_while_the_answer_is_transient(
    yahoo: Yahoo, session: YahooSession, waits: list[float]
):
    yahoo.serve(
        "T",
        Served(429, b"Too Many Requests"),
        Served(503),
        Served(200, b"<html>"),
        Served(200, chart_body("T"), length=10**6),
        Served(200, chart_body("T")),
    )
    assert session.get(URL, params=PARAMS).status_code == 200
    assert [answer.status for answer in session.answers] == [429, 503, 200, None, 200]
    assert all(2 * 2**n <= wait <= 2 * 2**n + 2 for n, wait in enumerate(waits))


def test_attempts_end(yahoo: Yahoo, session: YahooSession, waits: list[float]):
    yahoo.serve("T", Served(429))
    with pytest.raises(RefusedError):
        session.get(URL, params=PARAMS)
    assert (len(yahoo.asked), len(waits)) == (5, 4)


def test_a_connection_that_breaks_every_time_is_recorded_and_raised(
    yahoo: Yahoo, session: YahooSession
):
    yahoo.serve("T", Served(200, b"{", length=10))
    with pytest.raises(RequestException):
        session.get(URL, params=PARAMS)
    assert [answer.status for answer in session.answers] == [None] * 5
    assert all(answer.error for answer in session.answers)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_for_good_is_asked_once(yahoo: Yahoo, session: YahooSession, status: int):
    yahoo.serve("T", Served(status, b"{}"))
    with pytest.raises(RefusedError, match=str(status)):
        session.get(URL, params=PARAMS)
    assert len(yahoo.asked) == 1


def test_the_servers_own_wish_to_wait_is_followed(
    yahoo: Yahoo, session: YahooSession, waits: list[float]
):
    yahoo.serve("T", Served(429, headers={"Retry-After": "17"}), Served(body=chart_body("T")))
    session.get(URL, params=PARAMS)
    assert waits == [17.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        (None, None),
        ("0", None),
        ("-5", None),
        ("86400", None),
        ("soon", None),
        ("Mon, 99 Jun 2024 12:00:00 GMT", None),
        ("Mon, 10 Jun 2024 12:00:30 -0000", None),
    ],
)
def test_a_sane_retry_after_is_seconds_or_a_date_within_two_minutes(
    header: str | None, seconds: float | None
):
    assert retry_after_seconds(header, NOW) == seconds


def test_requests_keep_their_distance(yahoo: Yahoo):
    session, times = YahooSession(20, yahoo.url), [monotonic()]
    for _ in range(4):
        session.get("https://fc.yahoo.com")
        times.append(monotonic())
    session.close()
    # Three waits of a twentieth of a second, less what the clock's milliseconds may hide.
    assert times[-1] - times[0] > 3 * 0.05 - 0.01
    assert all(later > earlier for earlier, later in pairwise(times))
