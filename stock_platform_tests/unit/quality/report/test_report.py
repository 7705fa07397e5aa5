"""The page: the newest verdict counts, nothing of the data can harm it, and nothing is fetched."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow as pa
import pytest

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report import charts, page
from stock_platform.quality.report import load as read
from stock_platform.quality.report.model import DagsterState, RunSummary
from stock_platform.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
EVIL = "<img src=x onerror=alert(1)></script>"


def verdict(check="no_gaps", session="2012-07-02", *, hours=0, passed=False, **columns):
    return {
        "RunId": f"run-{hours}",
        "Asset": "fact_stock_price",
        "CheckName": check,
        "PartitionKey": session,
        "EvaluatedAt": NOW + timedelta(hours=hours),
        "Passed": passed,
        "Severity": "ERROR",
        "Blocking": False,
        "OffendingRows": int(not passed),
        "Description": "some sentence",
        "Sample": orjson.dumps([f"{EVIL}: offends"]).decode(),
        **columns,
    }


@pytest.fixture
def report(tmp_path):
    def make(*verdicts):
        warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
        warehouse.create_tables()
        rows = pa.Table.from_pylist(list(verdicts), schema=arrow_schema(ASSET_CHECK_RESULT))
        warehouse.replace_table(ASSET_CHECK_RESULT, rows)
        runs = [RunSummary("r", "daily_stock_prices", "SUCCESS", NOW, 12.5)]
        paths = LakePaths(str(tmp_path / "lake"))
        checks = {("fact_stock_price", it) for it in ("no_gaps", "fresh", "unit_scale")}
        dagster = DagsterState("http://127.0.0.1:3000", checks, runs)
        return read.report(warehouse, paths, dagster, NOW)

    return make


def test_the_newest_verdict_of_a_session_counts(report):
    mended = report(verdict(hours=0), verdict(hours=1, passed=True))
    assert (mended.failures, page.state(mended)) == ([], "All checks pass")
    broken = report(verdict(hours=0, passed=True), verdict(hours=1))
    assert page.state(broken) == "1 error open"


def test_a_failure_is_open_since_its_present_streak_began(report):
    hours = [(0, False), (1, True), (2, False), (3, False)]
    (failure,) = report(*(verdict(hours=at, passed=passed) for at, passed in hours)).failures
    assert failure.since == NOW + timedelta(hours=2)
    assert failure.run_id == "run-3"


def test_a_check_that_is_gone_is_not_open_for_ever(report):
    assert page.state(report(verdict("renamed"))) == "Nothing has been checked yet"


def test_sessions_of_a_check_are_told_together(report):
    sessions = [f"2012-07-{day:02}" for day in range(2, 20)]
    made = report(*(verdict(session=it) for it in sessions), verdict("fresh", "", Severity="WARN"))
    assert page.state(made) == "18 errors and 1 warning open"
    text = page.render(made)
    assert "18 sessions" in text
    assert "The first 10, errors and newest first" in text
    assert {
        "severity": "ERROR",
        "asset": "fact_stock_price",
        "check": "no_gaps",
        "extent": "18 sessions",
    } in page.open_failures(made)


def test_a_check_with_errors_and_warnings_is_one_entry_that_begins_with_its_errors(report):
    warnings = [verdict(session=f"2012-07-{day:02}", Severity="WARN") for day in range(3, 20)]
    (group,) = page.failures_by_check(report(verdict(session="2012-07-02"), *warnings))
    assert (group.worst.session, group.extent) == ("2012-07-02", "18 sessions (1 of them errors)")
    assert [it.session for it in group.failures[1:3]] == ["2012-07-19", "2012-07-18"]


def test_years_are_shown_by_month_and_their_newest_sessions_one_by_one(report):
    days = [f"{year}-{month:02}-02" for year in range(2010, 2018) for month in range(1, 13)]
    made = report(*(verdict(session=it, passed=it != "2010-01-02") for it in days))
    months, newest = charts.months(made).data[0], charts.newest_sessions(made).data[0]
    assert (len(months.x), months.z[0][0], months.text[0][0]) == (
        96,
        2,
        "1 of 1 sessions do not pass",
    )
    assert list(newest.x) == days[-charts.SHOWN_SESSIONS :]
    assert "1 of 1 check did not pass on some of 96 sessions" in page.render(made)
    short = report(*(verdict(session=it) for it in days[:10]))
    assert "By month" not in page.render(short)


def test_text_of_the_data_is_no_markup_in_a_hover_either(report):
    figure = charts.newest_sessions(report(verdict(Description="close < open & <b>odd</b>")))
    said = figure.data[0].text[0][0]
    assert said == "close &lt; open &amp; &lt;b&gt;odd&lt;/b&gt; (2026-01-02 03:04 UTC)"


def run(hours, status, first="2012-07-02", last="2012-07-06", job="daily_stock_prices"):
    at = NOW + timedelta(hours=hours)
    return RunSummary(f"run-{hours}", job, status, at, 1.0, first, last)


def test_a_failed_run_is_open_until_a_later_one_has_brought_its_sessions(report):
    checked = verdict(passed=True)
    failed = run(1, "FAILURE", "2012-07-03", "2012-07-03")
    others = [run(0, "SUCCESS"), run(2, "SUCCESS", "2012-07-05"), run(2, "SUCCESS", job="other")]
    made = replace(report(checked), runs=[failed, *others])
    assert page.state(made) == "1 failed run open"
    text = page.render(made)
    assert "daily_stock_prices</a> of 2012-07-03," in text
    mended = replace(made, runs=[*made.runs, run(3, "SUCCESS")])
    assert page.state(mended) == "All checks pass"
    assert "failed runs" not in page.render(mended)


def test_what_comes_from_data_cannot_leave_its_place(report):
    text = page.render(report(verdict("unit_scale", Description=EVIL)))
    assert "<img" not in text
    assert "&lt;img" in text
    own = text[text.rindex("<script>") :]
    assert own.count("</script>") == 1


def test_links_lead_to_the_ui_alone_and_nothing_is_fetched(report):
    text = page.render(report(verdict()))
    html = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    links = set(re.findall(r'(?:href|src)="([^"]+)"', html))
    assert {it for it in links if it.startswith("http")} == {
        "http://127.0.0.1:3000/runs/run-0",
        "http://127.0.0.1:3000/assets/fact_stock_price?view=checks&amp;checkDetail=no_gaps",
        "http://127.0.0.1:3000/assets/quality_report",
    }
    assert "default-src 'none'" in text


def test_before_anything_was_checked_the_page_says_what_to_run(report):
    text = page.render(report())
    assert "Nothing has been checked yet" in text
    assert "Materialize some sessions" in text
