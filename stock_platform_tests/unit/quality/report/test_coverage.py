"""Coverage by symbol, and the bars that are plotted: counted by what should be there."""

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
from stock_platform.quality.report import coverage as rooms
from stock_platform.quality.report.bars import offending_bars
from stock_platform.quality.report.model import OpenFailure
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.unit.quality.measures.test_tables import WEEK, price
from stock_platform_tests.unit.quality.report.test_report import NOW, verdict


def company(symbol, exchange="XNAS", *, active=True):
    names = {"Symbol": symbol, "ItemId": symbol, "CompanyName": symbol, "ExchangeCode": exchange}
    names |= {"IsActive": active, "IsVanished": False}
    return {**names, "EffectiveFrom": NOW.date(), "SourceFile": "f", "LoadedAt": NOW}


def opening(session, exchange):
    moments = dict.fromkeys(("OpenUtc", "CloseUtc"), datetime.fromisoformat(session + "T20:00Z"))
    day = int(session.replace("-", ""))
    rest = {"IsHalfDay": False, "CalendarVersion": "v"}
    return {"ExchangeCode": exchange, "DateKey": day, **moments, **rest}


@pytest.fixture
def warehouse(tmp_path):
    it = DuckDBWarehouse(tmp_path / "w.duckdb")
    it.create_tables()
    put(it, DIM_TRADING_SESSION, *(opening(day, mic) for day in WEEK for mic in ("XNAS", "XNYS")))
    return it


def put(warehouse, table, *rows):
    warehouse.replace_table(table, pa.Table.from_pylist(list(rows), schema=arrow_schema(table)))


def covered(warehouse, tmp_path):
    found = rooms.coverage(warehouse, LakePaths(str(tmp_path / "lake")))
    return {it.symbol: (it.expected, it.present, it.missing) for it in found}


def test_the_most_missing_comes_first_then_symbols_without_any_price(warehouse, tmp_path):
    put(warehouse, DIM_COMPANY, *(company(it) for it in ("AAPL", "FULL", "TYPO")))
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), *(price(day, "FULL") for day in WEEK))
    found = covered(warehouse, tmp_path)
    assert list(found.items()) == [("AAPL", (4, 1, 3)), ("TYPO", (None, 0, 0)), ("FULL", (4, 4, 0))]


def test_a_symbol_on_an_exchange_without_calendar_is_shown(warehouse, tmp_path):
    rows = [price(day, "OTC") | {"ExchangeCode": "XXXX"} for day in WEEK]
    put(warehouse, FACT_STOCK_PRICE, *rows)
    assert covered(warehouse, tmp_path) == {"OTC": (None, 4, 0)}


def test_a_session_that_nobody_of_an_exchange_has_is_missing_all_the_same(warehouse, tmp_path):
    put(warehouse, DIM_COMPANY, company("AAPL"), company("IBM", "XNYS"))
    ibm = [price(day, "IBM") | {"ExchangeCode": "XNYS"} for day in WEEK]
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), price(WEEK[2]), *ibm)
    assert covered(warehouse, tmp_path) == {"AAPL": (4, 2, 2), "IBM": (4, 4, 0)}


def test_a_session_that_was_processed_and_holds_no_price_at_all_is_missing(warehouse, tmp_path):
    put(warehouse, DIM_COMPANY, company("AAPL"))
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0]))
    assert covered(warehouse, tmp_path) == {"AAPL": (1, 1, 0)}
    put(warehouse, ASSET_CHECK_RESULT, verdict(session=WEEK[1], Asset="processed_stock_prices"))
    assert covered(warehouse, tmp_path) == {"AAPL": (2, 1, 1)}


def test_an_inactive_symbol_is_expected_until_its_last_price(warehouse, tmp_path):
    put(warehouse, DIM_COMPANY, company("AAPL"), company("GONE", active=False))
    prices = [price(day) for day in WEEK]
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0], "GONE"), price(WEEK[2], "GONE"), *prices)
    assert covered(warehouse, tmp_path)["GONE"] == (3, 2, 1)


def test_a_symbol_that_moved_to_another_exchange_is_one_symbol(warehouse, tmp_path):
    put(warehouse, DIM_COMPANY, company("MOVED", "XNYS"))
    before = [price(day, "MOVED") for day in WEEK[:2]]
    after = [price(day, "MOVED") | {"ExchangeCode": "XNYS"} for day in WEEK[2:]]
    put(warehouse, FACT_STOCK_PRICE, *before, *after)
    assert covered(warehouse, tmp_path) == {"MOVED": (4, 4, 0)}


def test_of_a_symbol_without_any_price_nobody_knows_what_to_expect(
    warehouse, tmp_path, monkeypatch
):
    monkeypatch.setattr(rooms, "quarantined", lambda _: {"NEVER": {"null_bar": 3}})
    assert covered(warehouse, tmp_path) == {"NEVER": (None, 0, 0)}


def failure(session, sample, check="unit_scale"):
    texts = {"says": "", "sample": [sample], "run_id": "r"}
    return OpenFailure(
        "processed_stock_prices", check, session, "ERROR", blocking=False, since=NOW, **texts
    )


def test_a_bar_without_a_price_row_takes_no_place_from_one_that_has(warehouse):
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), price(WEEK[1]))
    lost = [failure(WEEK[3], f"LOST{n}: odd") for n in range(12)]
    (bars,) = offending_bars(warehouse, [*lost, failure(WEEK[1], "AAPL: odd")])
    assert (bars.symbol, bars.session, bars.says) == ("AAPL", WEEK[1], "unit_scale: odd")


def test_a_price_of_zero_is_plotted_on_a_scale_that_has_a_zero(warehouse):
    low = price(WEEK[0]) | {"Low": 0.0}
    put(warehouse, FACT_STOCK_PRICE, low, price(WEEK[1], close=5000.0))
    (bars,) = offending_bars(warehouse, [failure(WEEK[1], "AAPL: odd")])
    assert charts.candles(bars).layout.yaxis.type == "linear"
    put(warehouse, FACT_STOCK_PRICE, price(WEEK[0]), price(WEEK[1], close=5000.0))
    (bars,) = offending_bars(warehouse, [failure(WEEK[1], "AAPL: odd")])
    assert charts.candles(bars).layout.yaxis.type == "log"
    assert bars.columns["TradeDate"][0].isoformat() == WEEK[0]
