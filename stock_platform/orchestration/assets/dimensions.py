"""Assets of the dimensions: small tables that are replaced as a whole."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from stock_platform.calendars import calendar_code, calendar_version, session_hours
from stock_platform.contracts import (
    DIM_COMPANY,
    DIM_COMPANY_HISTORY,
    DIM_DATE,
    DIM_EXCHANGE,
    DIM_TRADING_SESSION,
    Table,
)
from stock_platform.contracts.render import arrow_schema
from stock_platform.erp.company_dimensions import dim_company_history_rows, dim_company_rows
from stock_platform.erp.store import ErpSnapshot
from stock_platform.orchestration.assets.common import OWNERS, table_description, table_metadata

GROUP: Final = "warehouse"


def dimension_assets(first: date, last: date | None) -> list[dg.AssetsDefinition]:
    """Build the dimension assets.

    Args:
        first: the first day that may be a partition.
        last: the last day that may be a partition; None if there is no last day.
    """

    @_dimension(DIM_EXCHANGE)
    def dim_exchange(raw_erp_exchanges: ErpSnapshot) -> pa.Table:
        return _table(DIM_EXCHANGE, map(_exchange, raw_erp_exchanges.records.to_pylist()))

    @_dimension(DIM_COMPANY)
    def dim_company(raw_erp_companies: ErpSnapshot) -> pa.Table:
        return dim_company_rows(raw_erp_companies.records)

    @_dimension(DIM_COMPANY_HISTORY)
    def dim_company_history(raw_erp_companies: ErpSnapshot) -> pa.Table:
        return dim_company_history_rows(raw_erp_companies.records)

    @_dimension(DIM_DATE)
    def dim_date() -> pa.Table:
        return _table(DIM_DATE, map(_day, _days(first.replace(month=1, day=1), _end(last))))

    @_dimension(DIM_TRADING_SESSION)
    def dim_trading_session(raw_erp_exchanges: ErpSnapshot) -> pa.Table:
        mics = raw_erp_exchanges.records["EXCH_CODE"].to_pylist()
        known = [mic for mic in mics if calendar_code(mic)]
        rows = (row for mic in known for row in _trading_sessions(mic, first, _end(last)))
        return _table(DIM_TRADING_SESSION, rows)

    return [dim_exchange, dim_company, dim_company_history, dim_date, dim_trading_session]


def _end(last: date | None) -> date:
    """Return the last day of calendars: the end of the last year, or of next year.

    Evaluated per run, because a code server may run for longer than a year.
    """
    until = last or date.today() + timedelta(days=366)  # noqa: DTZ011 - a year's end is what counts
    return until.replace(month=12, day=31)


def _dimension(table: Table) -> Callable[[Callable[..., pa.Table]], dg.AssetsDefinition]:
    return dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"table"},
        io_manager_key="warehouse_table",
        description=table_description(table),
        metadata=table_metadata(table),
        code_version="2",
        pool="warehouse",
    )


def _table(table: Table, rows: Iterator[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(table))


def _exchange(row: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "ExchangeCode": row["EXCH_CODE"],
        "ExchangeName": row["EXCH_NAME"],
        "Country": row["COUNTRY"] or None,
        "City": row["CITY"] or None,
        "Timezone": row["TIMEZONE"],
        "Currency": row["PRICE_CURRENCY"],
        "YahooSuffix": row["YAHOO_SUFFIX"],
        "CalendarCode": calendar_code(row["EXCH_CODE"]),
        "IsMissingFromExport": row["VANISHED_AT"] is not None,
    }


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _date_key(day: date) -> int:
    return int(day.strftime("%Y%m%d"))


def _day(day: date) -> dict[str, Any]:
    return {
        "DateKey": _date_key(day),
        "FullDate": day,
        "DayOfWeek": day.isoweekday(),
        "DayName": day.strftime("%A"),
        "Month": day.month,
        "MonthName": day.strftime("%B"),
        "Quarter": (day.month + 2) // 3,
        "Year": day.year,
        "IsWeekend": day.isoweekday() >= 6,  # noqa: PLR2004 - ISO 8601's Saturday
    }


def _trading_sessions(mic: str, first: date, last: date) -> Iterator[dict[str, Any]]:
    version = calendar_version()
    for session in session_hours(mic, first, last):
        yield {
            "ExchangeCode": mic,
            "DateKey": _date_key(session.day),
            "OpenUtc": session.opens_at,
            "CloseUtc": session.closes_at,
            "IsHalfDay": session.is_half_day,
            "CalendarVersion": version,
        }
