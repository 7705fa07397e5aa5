"""Rate limit, retries and base URL, against a real HTTP server."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from time import monotonic

import pytest
from curl_cffi.requests.exceptions import InvalidURL, RequestException

from stock_platform.market_data.http_session import YahooHttpSession, retry_after_seconds
from stock_platform.market_data.recording_session import RequestRejectedError
from stock_platform_tests.support.local_yahoo import Served, chart_body

URL = "https://query2.finance.yahoo.com/v8/finance/chart/T"
PARAMS = {"period1": 0, "period2": 9, "crumb": "secret"}
NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def test_base_url_replaces_every_host(yahoo, session):
    yahoo.serve("T", Served(body=chart_body("T")))
    session.get("https://fc.yahoo.com")
    session.get(URL, params=PARAMS)
    assert yahoo.asked == [
        "/fc.yahoo.com/",
        "/query2.finance.yahoo.com/v8/finance/chart/T?period1=0&period2=9&crumb=secret",
    ]


def test_recorded_url_has_no_crumb(yahoo, session):
    yahoo.serve("T", Served(body=chart_body("T")))
    session.get("https://fc.yahoo.com")
    session.get(URL, params=PARAMS)
    (response,) = session.responses
    assert (response.url, response.status) == (f"{URL}?period1=0&period2=9", 200)
    assert response.body == chart_body("T")
    assert response.fetched_at.tzinfo is UTC


def test_base_url_rejects_plain_http(session):
    with pytest.raises(InvalidURL, match="only https"):
        session.get("http://example.org/v8/finance")


def test_base_url_disables_redirects(yahoo, session):
    yahoo.serve("T", Served(302, headers={"Location": "https://example.org/"}))
    assert session.get(URL, params=PARAMS).status_code == 302


def test_transient_failures_are_retried(yahoo, session, waits):
    yahoo.serve(
        "T",
        Served(429, b"Too Many Requests"),
        Served(503),
        Served(200, b"<html>"),
        Served(200, chart_body("T"), length=10**6),
        Served(200, chart_body("T")),
    )
    assert session.get(URL, params=PARAMS).status_code == 200
    assert [response.status for response in session.responses] == [429, 503, 200, None, 200]
    assert all(2 * 2**n <= wait <= 2 * 2**n + 2 for n, wait in enumerate(waits))


def test_retries_are_limited(yahoo, session, waits):
    yahoo.serve("T", Served(429))
    with pytest.raises(RequestRejectedError):
        session.get(URL, params=PARAMS)
    assert (len(yahoo.asked), len(waits)) == (5, 4)


def test_broken_connection_is_recorded_and_raised(yahoo, session):
    yahoo.serve("T", Served(200, b"{", length=10))
    with pytest.raises(RequestException):
        session.get(URL, params=PARAMS)
    assert [response.status for response in session.responses] == [None] * 5
    assert all(response.error for response in session.responses)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_rejected_request_is_not_retried(yahoo, session, status):
    yahoo.serve("T", Served(status, b"{}"))
    with pytest.raises(RequestRejectedError, match=str(status)):
        session.get(URL, params=PARAMS)
    assert len(yahoo.asked) == 1


def test_retry_after_header_is_respected(yahoo, session, waits):
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
def test_retry_after_accepts_seconds_or_date(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


def test_requests_are_evenly_spaced(yahoo):
    session, times = YahooHttpSession(20, yahoo.url), [monotonic()]
    for _ in range(4):
        session.get("https://fc.yahoo.com")
        times.append(monotonic())
    session.close()
    # Three waits of a twentieth of a second, less the rounding of the clock.
    assert times[-1] - times[0] > 3 * 0.05 - 0.01
    assert all(later > earlier for earlier, later in pairwise(times))
