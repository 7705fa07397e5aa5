"""Find defects that only one dimension can have, for its own rule."""

from datetime import date, timedelta
from typing import Final

from stock_platform.contracts import DIM_COMPANY, DIM_COMPANY_HISTORY, DIM_DATE, Table
from stock_platform.warehouse.interface import Warehouse

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
# The rows of a company have no gap, except while another company used its symbol. A symbol has one
# active company at a time; a row that ends when it begins was never valid.
_HISTORY_FLAWS: Final = """
WITH states AS (
  SELECT
    *,
    LEAD(EffectiveFrom) OVER (PARTITION BY SecurityId ORDER BY EffectiveFrom) AS NextOfItem,
    MIN(SecurityId) OVER (PARTITION BY Symbol) != MAX(SecurityId) OVER (PARTITION BY Symbol)
      AS IsShared
  FROM dim_company_history
),
valid AS (
  SELECT
    Symbol, EffectiveFrom, EffectiveTo,
    LEAD(EffectiveFrom) OVER (PARTITION BY Symbol ORDER BY EffectiveFrom) AS NextOfSymbol
  FROM states
  WHERE IsActive AND (EffectiveTo IS NULL OR EffectiveTo > EffectiveFrom)
),
checked AS (
  SELECT Symbol, EffectiveFrom, CASE
    WHEN EffectiveTo < EffectiveFrom THEN 'ends before it begins'
    WHEN IsCurrent != (EffectiveTo IS NULL) THEN 'both current and ended, or neither'
    WHEN EffectiveTo IS NULL AND NextOfItem IS NOT NULL THEN 'its company has a newer row'
    WHEN EffectiveTo > NextOfItem THEN 'overlaps the next row of its company'
    WHEN EffectiveTo < NextOfItem AND NOT IsShared
      THEN 'a gap before the next row of its company'
  END AS Flaw
  FROM states
  UNION ALL
  SELECT Symbol, EffectiveFrom, CASE
    WHEN EffectiveTo IS NULL AND NextOfSymbol IS NOT NULL THEN 'its symbol has a newer row'
    WHEN EffectiveTo > NextOfSymbol THEN 'overlaps the next row of its symbol'
  END
  FROM valid
)
SELECT Symbol, EffectiveFrom, Flaw FROM checked WHERE Flaw IS NOT NULL
ORDER BY Symbol, EffectiveFrom
"""


def flaws(warehouse: Warehouse, table: Table) -> tuple[str, ...]:
    """Return the defects of a dimension that has its own rule, and none for other tables."""
    return _FLAWS[table.name](warehouse) if table.name in _FLAWS else ()


def _date_flaws(warehouse: Warehouse) -> tuple[str, ...]:
    """Return the days that are missing in a year, and those with wrong attributes."""
    days = set(warehouse.query("SELECT FullDate FROM dim_date")["FullDate"].to_pylist())
    wrong = warehouse.query(_WRONG_DAYS)["FullDate"].to_pylist()
    missing = sorted(_whole_years(days) - days)
    return (*(f"{day}: missing" for day in missing), *(f"{day}: wrong" for day in wrong))


def _company_flaws(warehouse: Warehouse) -> tuple[str, ...]:
    """Return the symbols that are unusable."""
    misspelt = warehouse.query(_MISSPELT)["Symbol"].to_pylist()
    without_calendar = warehouse.query(_WITHOUT_CALENDAR)["Symbol"].to_pylist()
    return (
        *(f"{symbol}: not trimmed or not in capitals" for symbol in misspelt),
        *(f"{symbol}: no calendar for its exchange" for symbol in without_calendar),
    )


def _history_flaws(warehouse: Warehouse) -> tuple[str, ...]:
    """Return the rows with a gap or an overlap."""
    rows = warehouse.query(_HISTORY_FLAWS).to_pylist()
    return tuple(f"{row['Symbol']} from {row['EffectiveFrom']}: {row['Flaw']}" for row in rows)


_FLAWS: Final = {
    DIM_DATE.name: _date_flaws,
    DIM_COMPANY.name: _company_flaws,
    DIM_COMPANY_HISTORY.name: _history_flaws,
}


def _whole_years(days: set[date]) -> set[date]:
    if not days:
        return set()
    first, last = min(days).replace(month=1, day=1), max(days).replace(month=12, day=31)
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}
