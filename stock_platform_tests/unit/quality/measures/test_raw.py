"""Expected symbols, recorded symbols and unfinished bars of raw sessions."""

from datetime import UTC, datetime

import pytest

from stock_platform.lake.raw_runs import RawRun
from stock_platform.quality.measures.raw import measure_raw_sessions, refusals
from stock_platform.settings.quality import QualityLimits
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES
from stock_platform_tests.support.raw_runs import store_run

# 3 July 2012 was a half day in New York; the 4th was a holiday there but not in London.
JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
HALF_DAY, HOLIDAY = "2012-07-03", "2012-07-04"


def record(symbol, outcome="ok", fetched_at="2026-01-01T00:00:00+00:00", exchange="XNAS"):
    return {"symbol": symbol, "outcome": outcome, "exchange": exchange, "fetched_at": fetched_at}


@pytest.fixture
def paths(platform):
    london = SAMPLE_COMPANIES[0].replace("AAPL", "VOD.L").replace("XNAS", "XLON")
    london = london.replace("C-0001", "C-0009")
    platform.drop_companies(*SAMPLE_COMPANIES[:2], london)
    platform.materialize_assets("raw_erp_exchanges", "raw_erp_companies")
    return platform.paths


def stored(paths, *records, session=HALF_DAY, **options):
    """Store a run of one session with these records."""
    lines = [{"session_date": session, **each} for each in records]
    return store_run(paths, *lines, sessions=[session], **options)


def measured(paths, *records, session=HALF_DAY):
    """The measurement of a session after a run with these records."""
    stored(paths, *records, session=session)
    return measure_raw_sessions(paths, [session])[session]


def test_symbols_are_expected_if_their_exchange_was_open(paths):
    for session in (HALF_DAY, HOLIDAY):
        measured(paths, record("AAPL"), session=session)
    found = measure_raw_sessions(paths, [HALF_DAY, HOLIDAY])
    assert found[HALF_DAY].expected == {"AAPL", "FB", "VOD.L"}
    assert found[HOLIDAY].expected == {"VOD.L"}


def test_open_day_recorded_as_closed_is_missing(paths):
    assert measured(paths, record("AAPL"), record("FB", "no_session")).recorded == {"AAPL"}


def test_live_bars_differ_from_early_bars(paths):
    found = measured(
        paths,
        record("AAPL", fetched_at="2012-07-03T16:59:00+00:00"),
        record("FB", "live_bar"),
        record("VOD.L", fetched_at="2012-07-03T17:00:00+00:00", exchange="XLON"),
    )
    assert (found.early, found.live) == ({"AAPL"}, {"FB"})


def test_early_bar_of_another_exchange_is_found(paths):
    """The exchange has no active company."""
    early = record("7203.T", fetched_at="2012-07-03T05:59:00+00:00", exchange="XTKS")
    assert measured(paths, early).early == {"7203.T"}


EARLY = record("AAPL", fetched_at="2012-07-03T15:00:00+00:00")


@pytest.mark.parametrize(("outcome", "early"), [("ok", set()), ("throttled", {"AAPL"})])
def test_only_a_later_bar_confirms_an_early_bar(paths, outcome, early):
    stored(paths, EARLY)
    assert measured(paths, record("AAPL", outcome)).early == early


def test_newest_outcome_counts_as_the_answer(paths):
    stored(paths, record("AAPL"), record("FB"))
    found = measured(paths, record("AAPL", "throttled", fetched_at="2026-01-02T00:00:00+00:00"))
    assert found.fetched == {"AAPL": "throttled", "FB": "ok"}
    assert found.recorded == {"AAPL", "FB"}


def test_refused_run_counts_until_a_later_run_is_usable(paths):
    stored(paths, record("AAPL"), started_at=JANUARY)
    refused = EARLY | {"symbol": "FB"}
    stored(paths, refused, started_at=FEBRUARY, refused=["why"])
    assert measure_raw_sessions(paths, [HALF_DAY])[HALF_DAY].early == {"FB"}
    stored(paths, record("FB", "null_bar"), started_at=MARCH)
    found = measure_raw_sessions(paths, [HALF_DAY])[HALF_DAY]
    assert (found.early, found.recorded) == (frozenset(), {"AAPL", "FB"})
    assert found.fetched == {"AAPL": "ok", "FB": "null_bar"}


def test_damaged_lines_are_not_measured(paths):
    store_run(paths, b"{not json", {"session_date": HALF_DAY, **record("FB")}, sessions=[HALF_DAY])
    assert measure_raw_sessions(paths, [HALF_DAY])[HALF_DAY].recorded == {"FB"}


def refused(run: RawRun, *symbols: str) -> list[str]:
    requests = [
        {"symbol": symbol, "exchange": "XNYS", "sessions": [[HALF_DAY, HALF_DAY]]}
        for symbol in symbols
    ]
    manifest = {**run.manifest, "requests": requests, "open": {"XNYS": [HALF_DAY]}}
    judged = RawRun(run.name, run.uri, manifest)
    return [reason.split(":")[0] for reason in refusals(judged, QualityLimits())]


def test_run_is_judged_by_its_own_records(paths):
    stored(paths, record("AAPL", "throttled"))
    good = stored(paths, record("AAPL"), started_at=FEBRUARY)
    assert refused(good, "AAPL") == []
    assert refused(good, "AAPL", "FB") == [f"{HALF_DAY} all_symbols_present"]


@pytest.mark.parametrize(
    ("answer", "rule"),
    [(record("AAPL", "upstream_error"), "source_responded"), (EARLY, "bars_are_final")],
)
def test_run_that_breaks_a_blocking_rule_is_refused(paths, answer, rule):
    assert refused(stored(paths, answer), "AAPL") == [f"{HALF_DAY} {rule}"]
