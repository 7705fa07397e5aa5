"""Coverage by symbol, and the choice of the bars that are plotted."""

from datetime import datetime

import pyarrow as pa
import pytest

from stock_platform.contracts import (
    ASSET_CHECK_RESULT,
    DIM_COMPANY,
    DIM_TRADING_SESSION,
    FACT_STOCK_PRICE,
)
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report import charts
from stock_platform.quality.report.bars import find_failing_bars
from stock_platform.quality.report.coverage import measure_coverage
from stock_platform.quality.report.model import CheckResult
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.commits import add_batch, quarantined
from stock_platform_tests.unit.quality.measures.test_tables import WEEK, price
from stock_platform_tests.unit.quality.report.test_report import NOW, check_result


def company(symbol, exchange="XNAS", *, active=True):
    names = dict.fromkeys(("Symbol", "SecurityId", "CompanyName"), symbol)
    state = {"ExchangeCode": exchange, "IsActive": active, "IsMissingFromExport": False}
    return {**names, **state, "EffectiveFrom": NOW.date(), "SourceFile": "f", "LoadedAt": NOW}


def trading_session(session, exchange):
    times = dict.fromkeys(("OpenUtc", "CloseUtc"), datetime.fromisoformat(session + "T20:00Z"))
    key = {"ExchangeCode": exchange, "DateKey": int(session.replace("-", ""))}
    return {**key, **times, "IsHalfDay": False, "CalendarVersion": "v"}


@pytest.fixture
def warehouse(tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.create_tables()
    days = [trading_session(day, exchange) for day in WEEK for exchange in ("XNAS", "XNYS")]
    store(warehouse, DIM_TRADING_SESSION, *days)
    return warehouse


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


def store(warehouse, table, *rows):
    warehouse.replace_table(table, pa.Table.from_pylist(list(rows), schema=arrow_schema(table)))


def coverage(warehouse, paths):
    """Expected, present and missing sessions by symbol, in the order of the page."""
    found = measure_coverage(warehouse, paths)
    return {symbol.symbol: (symbol.expected, symbol.present, symbol.missing) for symbol in found}


def test_most_missing_sessions_come_first(warehouse, paths):
    store(warehouse, DIM_COMPANY, *map(company, ("AAPL", "FULL", "TYPO")))
    store(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), *(price(day, "FULL") for day in WEEK))
    assert list(coverage(warehouse, paths).items()) == [
        ("AAPL", (4, 1, 3)),
        ("TYPO", (None, 0, 0)),
        ("FULL", (4, 4, 0)),
    ]


def test_exchange_without_calendar_is_shown(warehouse, paths):
    rows = [price(day, "OTC") | {"ExchangeCode": "XXXX"} for day in WEEK]
    store(warehouse, FACT_STOCK_PRICE, *rows)
    assert coverage(warehouse, paths) == {"OTC": (None, 4, 0)}


def test_session_missing_on_whole_exchange_counts(warehouse, paths):
    store(warehouse, DIM_COMPANY, company("AAPL"), company("IBM", "XNYS"))
    ibm = [price(day, "IBM") | {"ExchangeCode": "XNYS"} for day in WEEK]
    store(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), price(WEEK[2]), *ibm)
    assert coverage(warehouse, paths) == {"AAPL": (4, 2, 2), "IBM": (4, 4, 0)}


def test_processed_session_without_prices_is_missing(warehouse, paths):
    store(warehouse, DIM_COMPANY, company("AAPL"))
    store(warehouse, FACT_STOCK_PRICE, price(WEEK[0]))
    assert coverage(warehouse, paths) == {"AAPL": (1, 1, 0)}
    processed = check_result(session=WEEK[1], Asset="processed_stock_prices")
    store(warehouse, ASSET_CHECK_RESULT, processed)
    assert coverage(warehouse, paths) == {"AAPL": (2, 1, 1)}


def test_inactive_symbol_is_expected_until_last_price(warehouse, paths):
    store(warehouse, DIM_COMPANY, company("AAPL"), company("GONE", active=False))
    prices = [price(day) for day in WEEK]
    store(warehouse, FACT_STOCK_PRICE, price(WEEK[0], "GONE"), price(WEEK[2], "GONE"), *prices)
    assert coverage(warehouse, paths)["GONE"] == (3, 2, 1)


def test_symbol_keeps_coverage_across_exchanges(warehouse, paths):
    store(warehouse, DIM_COMPANY, company("MOVED", "XNYS"))
    before = [price(day, "MOVED") for day in WEEK[:2]]
    after = [price(day, "MOVED") | {"ExchangeCode": "XNYS"} for day in WEEK[2:]]
    store(warehouse, FACT_STOCK_PRICE, *before, *after)
    assert coverage(warehouse, paths) == {"MOVED": (4, 4, 0)}


def test_quarantine_is_counted_by_reason(warehouse, paths):
    rejected = [
        quarantined("NEVER", WEEK[0], Ticker="NEVER", Record="{}"),
        quarantined("NEVER", WEEK[0], Ticker="NEVER", Record="[]"),
        quarantined(None, WEEK[0], Reason="no_symbol"),
    ]
    add_batch(paths, {"quarantine": rejected}, day=1, sessions=WEEK)
    found = measure_coverage(warehouse, paths)
    assert [(symbol.symbol, symbol.expected, dict(symbol.quarantined)) for symbol in found] == [
        ("(no symbol)", None, {"no_symbol": 1}),
        ("NEVER", None, {"null_bar": 2}),
    ]


def failure(session, example):
    return CheckResult(
        asset="processed_stock_prices",
        check="unit_scale",
        session=session,
        passed=False,
        severity="ERROR",
        blocking=False,
        evaluated_at=NOW,
        since=NOW,
        description="",
        examples=[example],
        run_id="r",
    )


def test_bars_without_prices_do_not_displace_others(warehouse):
    store(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), price(WEEK[1]))
    lost = [failure(WEEK[3], f"LOST{number}: odd") for number in range(12)]
    (bar,) = find_failing_bars(warehouse, [*lost, failure(WEEK[1], "AAPL: odd")])
    assert (bar.symbol, bar.session, bar.description) == ("AAPL", WEEK[1], "unit_scale: odd")


@pytest.mark.parametrize(("low", "scale"), [(0.0, "linear"), (10.0, "log")])
def test_zero_price_is_on_a_linear_scale(warehouse, low, scale):
    first, odd = price(WEEK[0]) | {"Low": low}, price(WEEK[1], close=5000.0)
    store(warehouse, FACT_STOCK_PRICE, first, odd)
    (bar,) = find_failing_bars(warehouse, [failure(WEEK[1], "AAPL: odd")])
    assert charts.candles(bar).layout.yaxis.type == scale
    assert [str(day) for day in bar.columns["TradeDate"]] == WEEK[:2]
