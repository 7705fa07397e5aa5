"""The quality page: newest results count, data is never markup, and nothing is fetched."""

import re
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow as pa
import pytest

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report import charts, page
from stock_platform.quality.report.load import load_report
from stock_platform.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
MARKUP = "<img src=x onerror=alert(1)></script>"
CHECKS = {("fact_stock_price", check) for check in ("no_gaps", "fresh", "unit_scale")}
UI = "http://127.0.0.1:3000"


def check_result(check="no_gaps", session="2012-07-02", *, hours=0, passed=False, **columns):
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
        "Sample": orjson.dumps([f"{MARKUP}: failed"]).decode(),
        **columns,
    }


@pytest.fixture
def report(tmp_path):
    def make(*results):
        warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
        warehouse.create_tables()
        rows = pa.Table.from_pylist(list(results), schema=arrow_schema(ASSET_CHECK_RESULT))
        warehouse.replace_table(ASSET_CHECK_RESULT, rows)
        return load_report(warehouse, LakePaths(str(tmp_path / "lake")), CHECKS, UI, NOW)

    return make


def test_newest_result_of_a_session_counts(report):
    fixed = report(check_result(hours=0), check_result(hours=1, passed=True))
    assert (fixed.failing_checks, fixed.headline) == ([], "All checks pass")
    assert report(check_result(hours=0, passed=True), check_result(hours=1)).headline == (
        "1 error open"
    )


def test_failure_is_open_since_its_streak_began(report):
    hours = [(0, False), (1, True), (2, False), (3, False)]
    results = report(*(check_result(hours=at, passed=passed) for at, passed in hours)).results
    assert [(result.since, result.run_id) for result in results] == [
        (NOW + timedelta(hours=2), "run-3")
    ]


def test_removed_check_is_ignored(report):
    assert report(check_result("renamed")).headline == "Nothing has been checked yet"


def test_sessions_of_a_check_are_grouped(report):
    days = [f"2012-07-{day:02}" for day in range(2, 20)]
    results = [check_result(session=day) for day in days]
    made = report(*results, check_result("fresh", "", Severity="WARN"))
    assert made.headline == "18 errors and 1 warning open"
    assert "The first 10, errors and newest first" in page.render(made)
    assert [(row["check"], row["extent"]) for row in page.open_failures(made)] == [
        ("no_gaps", "18 sessions"),
        ("fresh", "the whole asset"),
    ]


def test_errors_come_before_newer_warnings(report):
    days = [f"2012-07-{day:02}" for day in range(3, 20)]
    warnings = [check_result(session=day, Severity="WARN") for day in days]
    (check,) = report(check_result(session="2012-07-02"), *warnings).failing_checks
    assert check.extent == "18 sessions (1 error)"
    sessions = [failure.session for failure in check.failures]
    assert sessions[:3] == ["2012-07-02", "2012-07-19", "2012-07-18"]


def test_long_histories_are_also_shown_by_month(report):
    days = [f"{year}-{month:02}-02" for year in range(2010, 2018) for month in range(1, 13)]
    made = report(*(check_result(session=day, passed=day != "2010-01-02") for day in days))
    months, newest = charts.by_month(made).data[0], charts.by_session(made).data[0]
    assert len(months.x) == 96
    assert (months.z[0][0], months.text[0][0]) == (2, "1 of 1 session did not pass")
    assert list(newest.x) == days[-charts.SHOWN_SESSIONS :]
    assert "1 of 1 check did not pass on some of 96 sessions" in page.render(made)
    short = report(*(check_result(session=day) for day in days[:10]))
    assert "By month" not in page.render(short)


def test_hover_text_is_escaped(report):
    figure = charts.by_session(report(check_result(Description="close < open & <b>odd</b>")))
    assert figure.data[0].text[0][0] == (
        "close &lt; open &amp; &lt;b&gt;odd&lt;/b&gt; (2026-01-02 03:04 UTC)"
    )


def test_data_cannot_add_markup(report):
    html = page.render(report(check_result("unit_scale", Description=MARKUP)))
    assert "<img" not in html
    assert "&lt;img" in html
    assert html[html.rindex("<script>") :].count("</script>") == 1


def test_page_links_only_to_the_ui(report):
    html = re.sub(r"<script>.*?</script>", "", page.render(report(check_result())), flags=re.DOTALL)
    links = re.findall(r'(?:href|src)="(http[^"]+)"', html)
    assert set(links) == {
        f"{UI}/runs",
        f"{UI}/runs/run-0",
        f"{UI}/assets/fact_stock_price?view=checks&amp;checkDetail=no_gaps",
        f"{UI}/assets/quality_report",
    }
    assert "default-src 'none'" in html


def test_empty_page_explains_first_steps(report):
    html = page.render(report())
    assert "Nothing has been checked yet" in html
    assert "Materialize some sessions" in html
