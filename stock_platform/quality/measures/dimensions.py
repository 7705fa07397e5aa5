"""What single dimensions hold, for the rules that each has for itself."""

from datetime import date, timedelta
from typing import Final

from stock_platform.contracts import DIM_COMPANY, DIM_DATE, Table
from stock_platform.warehouse.port import Warehouse

_WRONG_DAYS: Final = """
SELECT FullDate FROM dim_date
WHERE DateKey != CAST(FORMAT_DATE('%Y%m%d', FullDate) AS INT64)
  OR Year != EXTRACT(YEAR FROM FullDate)
  OR Quarter != EXTRACT(QUARTER FROM FullDate)
  OR Month != EXTRACT(MONTH FROM FullDate)
  OR MonthName != FORMAT_DATE('%B', FullDate)
  OR DayOfWeek != CAST(FORMAT_DATE('%u', FullDate) AS INT64)
  OR DayName != FORMAT_DATE('%A', FullDate)
  OR IsWeekend != (FORMAT_DATE('%u', FullDate) IN ('6', '7'))
"""
_WITHOUT_CALENDAR: Final = """
SELECT company.Symbol FROM dim_company AS company
LEFT JOIN dim_exchange AS exchange ON exchange.ExchangeCode = company.ExchangeCode
WHERE company.IsActive AND exchange.CalendarCode IS NULL
"""
_MISSPELT: Final = "SELECT Symbol FROM dim_company WHERE Symbol != UPPER(TRIM(Symbol))"


def flaws(warehouse: Warehouse, table: Table) -> tuple[str, ...]:
    """What is wrong with a dimension that has a rule of its own; nothing for others."""
    return _FLAWS[table.name](warehouse) if table.name in _FLAWS else ()


def _of_dates(warehouse: Warehouse) -> tuple[str, ...]:
    """The days that whole years lack, and those with wrong attributes."""
    days = set(warehouse.query("SELECT FullDate FROM dim_date")["FullDate"].to_pylist())
    wrong = warehouse.query(_WRONG_DAYS)["FullDate"].to_pylist()
    missing = sorted(_whole_years(days) - days)
    return (*(f"{day}: missing" for day in missing), *(f"{day}: wrong" for day in wrong))


def _of_companies(warehouse: Warehouse) -> tuple[str, ...]:
    """The symbols that cannot be used as they are."""
    misspelt = warehouse.query(_MISSPELT)["Symbol"].to_pylist()
    silent = warehouse.query(_WITHOUT_CALENDAR)["Symbol"].to_pylist()
    return (
        *(f"{symbol}: not spelt as a key" for symbol in misspelt),
        *(f"{symbol}: no calendar for its exchange" for symbol in silent),
    )


_FLAWS: Final = {DIM_DATE.name: _of_dates, DIM_COMPANY.name: _of_companies}


def _whole_years(days: set[date]) -> set[date]:
    if not days:
        return set()
    first, last = min(days).replace(month=1, day=1), max(days).replace(month=12, day=31)
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}
