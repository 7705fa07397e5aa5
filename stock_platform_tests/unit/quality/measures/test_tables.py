"""Warehouse tables measured by SQL: keys, references, gaps, returns and flaws of dimensions."""

from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest

from stock_platform.contracts import (
    DIM_COMPANY,
    DIM_DATE,
    DIM_EXCHANGE,
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
)
from stock_platform.contracts.render import arrow_schema
from stock_platform.quality.measures import returns, tables
from stock_platform.quality.measures.dimensions import flaws

EARLIER, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
WEEK = ["2012-07-02", "2012-07-03", "2012-07-05", "2012-07-06"]


def key(session):
    return {"DateKey": int(session.replace("-", "")), "TradeDate": date.fromisoformat(session)}


def price(session, ticker="AAPL", close=10.0, adjusted=10.0, fetched=EARLIER):
    bar = dict.fromkeys(("Open", "High", "Low", "Close"), close)
    row = {
        "SecurityId": f"C-{ticker}",
        "Ticker": ticker,
        "ExchangeCode": "XNAS",
        "Volume": 1,
        "YahooAdjClose": adjusted,
    }
    source = {"Currency": "USD", "FetchedAt": fetched, "BatchId": "b"}
    return {**key(session), **row, **bar, **source}


def dividend(session, cash, ticker="AAPL"):
    row = {"SecurityId": f"C-{ticker}", "Ticker": ticker, "ActionType": "dividend"}
    row |= {"Value": cash, "Currency": "USD"}
    return {**key(session), **row, "FetchedAt": EARLIER, "BatchId": "b"}


@pytest.fixture
def load(platform):
    platform.load_sample_dimensions()

    def put(table, *rows):
        found = pa.Table.from_pylist(list(rows), schema=arrow_schema(table))
        platform.warehouse.replace_table(table, found)
        return platform.warehouse

    return put


def missing(warehouse):
    days = [date.fromisoformat(session) for session in WEEK]
    found = tables._missing_prices(warehouse, days)  # noqa: SLF001
    return {str(day): names for day, names in found.items()}


def test_missing_session_of_a_listed_symbol_is_a_gap(load):
    rows = [price(day, ticker) for day in WEEK for ticker in ("AAPL", "MSFT")]
    assert missing(load(FACT_STOCK_PRICE, *rows)) == {}
    del rows[2]  # AAPL on the 3rd; the 4th was a holiday
    assert missing(load(FACT_STOCK_PRICE, *rows)) == {"2012-07-03": ["AAPL"]}


def test_gap_lasts_until_today_for_active_symbols(load):
    stays_away = [price(WEEK[0], "MSFT"), *map(price, WEEK)]
    assert missing(load(FACT_STOCK_PRICE, *stays_away)) == {day: ["MSFT"] for day in WEEK[1:]}
    comes_later = [price(WEEK[-1], "MSFT"), *map(price, WEEK)]
    assert missing(load(FACT_STOCK_PRICE, *comes_later)) == {}


def test_deactivated_symbol_has_no_gap_after_last_price(load, platform):
    inactive = platform.table("dim_company").set_index("Symbol").query("not IsActive").index[0]
    rows = [price(WEEK[0], inactive), *map(price, WEEK)]
    assert missing(load(FACT_STOCK_PRICE, *rows)) == {}


def test_repeated_key_counts_rows_beyond_the_first(load, platform):
    warehouse = load(FACT_STOCK_PRICE)
    exchanges = platform.warehouse.read(DIM_EXCHANGE)
    warehouse.replace_table(DIM_EXCHANGE, pa.concat_tables([exchanges, exchanges, exchanges]))
    measure = tables.measure_table(warehouse, DIM_EXCHANGE)
    assert (measure.rows, measure.duplicate_keys) == (3 * len(exchanges), 2 * len(exchanges))
    warehouse.replace_table(DIM_EXCHANGE, exchanges.slice(0, 0))
    measure = tables.measure_table(warehouse, DIM_EXCHANGE)
    assert (measure.rows, measure.duplicate_keys) == (0, 0)


def test_facts_are_counted_per_session(load):
    first, second = (date.fromisoformat(session) for session in WEEK[:2])
    warehouse = load(
        FACT_STOCK_PRICE,
        *(price(WEEK[0], "NONE"), price(WEEK[0], "NONE")),
        price(WEEK[1], "NONE") | {"ExchangeCode": "XXXX"},
    )
    found = tables._key_counts(warehouse, FACT_STOCK_PRICE, [first, second])  # noqa: SLF001
    assert found == {first: (2, 1), second: (1, 0)}
    orphans = tables._orphans(warehouse, FACT_STOCK_PRICE, [first, second])  # noqa: SLF001
    assert orphans["ExchangeCode"] == {second: 1}
    assert orphans["Ticker"] == {first: 2, second: 1}


def measured_returns(warehouse):
    rows = returns.measure_returns(warehouse, WEEK).bars
    return {
        row["Session"]: (row["OurReturn"], row["YahooReturn"]) for row in rows.to_dict("records")
    }


def test_our_return_equals_that_of_the_adjusted_close(load):
    load(FACT_CORPORATE_ACTION, dividend(WEEK[1], 1.0))
    before, after = (
        price(WEEK[0], close=10.0, adjusted=9.0),
        price(WEEK[1], close=9.5, adjusted=9.5),
    )
    found = measured_returns(load(FACT_STOCK_PRICE, before, after))
    assert found == {WEEK[1]: (pytest.approx(9.5 / 9.0), pytest.approx(9.5 / 9.0))}


def test_bars_of_two_responses_are_not_compared(load):
    load(FACT_CORPORATE_ACTION, dividend(WEEK[1], 1.0))
    first, second = price(WEEK[0]), price(WEEK[1], fetched=LATER)
    assert measured_returns(load(FACT_STOCK_PRICE, first, second)) == {}
    unknown = price(WEEK[0], adjusted=None)
    assert measured_returns(load(FACT_STOCK_PRICE, unknown, price(WEEK[1]))) == {}


@pytest.mark.usefixtures("load")
def test_good_dimensions_have_no_flaws(platform):
    assert flaws(platform.warehouse, DIM_DATE) == ()
    assert flaws(platform.warehouse, DIM_COMPANY) == ()


@pytest.mark.usefixtures("load")
def test_flaws_of_dimensions_are_found(platform):
    with duckdb.connect(str(platform.settings.warehouse_file)) as connection:
        connection.execute("DELETE FROM dim_date WHERE FullDate = DATE '2012-07-02'")
        connection.execute("UPDATE dim_date SET IsWeekend = true WHERE DateKey = 20120703")
        connection.execute("UPDATE dim_company SET Symbol = ' aapl' WHERE Symbol = 'AAPL'")
        connection.execute(
            "UPDATE dim_exchange SET CalendarCode = NULL WHERE ExchangeCode = 'XNYS'"
        )
    platform.warehouse.create_tables()
    assert flaws(platform.warehouse, DIM_DATE) == ("2012-07-02: missing", "2012-07-03: wrong")
    assert set(flaws(platform.warehouse, DIM_COMPANY)) == {
        " aapl: not trimmed or not in capitals",
        "IBM: no calendar for its exchange",
    }
