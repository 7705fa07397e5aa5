"""Measure total returns, our own and those of Yahoo's adjusted close, in the warehouse."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from stock_platform.quality.measures.bars import BarSessions
from stock_platform.warehouse.interface import Warehouse

# A bar is compared with the previous bar of the same response: YahooAdjClose is adjusted for the
# actions known at its FetchedAt, and those may differ between two fetches.
_RETURNS: Final = """
WITH bars AS (
  SELECT
    price.Ticker, price.TradeDate, price.FetchedAt, price.YahooAdjClose, adjusted.TotalReturnClose,
    LAG(price.FetchedAt) OVER before AS FetchedBefore,
    LAG(price.YahooAdjClose) OVER before AS YahooAdjCloseBefore,
    LAG(adjusted.TotalReturnClose) OVER before AS TotalReturnBefore
  FROM fact_stock_price AS price
  INNER JOIN stock_price_adjusted AS adjusted
    ON adjusted.DateKey = price.DateKey AND adjusted.Ticker = price.Ticker
  WHERE price.TradeDate BETWEEN @first AND @last
  WINDOW before AS (PARTITION BY price.Ticker ORDER BY price.TradeDate)
)
SELECT
  Ticker, CAST(TradeDate AS STRING) AS Session,
  TotalReturnClose / TotalReturnBefore AS OurReturn,
  YahooAdjClose / YahooAdjCloseBefore AS YahooReturn
FROM bars
WHERE TradeDate IN UNNEST(@sessions) AND FetchedAt = FetchedBefore AND YahooAdjCloseBefore > 0
"""
# The previous bar is at most this far back; there may be null days in between.
_LOOKBACK: Final = timedelta(days=30)


def measure_returns(warehouse: Warehouse, sessions: Sequence[str]) -> BarSessions:
    """Query OurReturn and YahooReturn (both 1 + return) of each bar that can be compared."""
    days = [date.fromisoformat(session) for session in sessions]
    returns = warehouse.query(
        _RETURNS, {"sessions": days, "first": min(days) - _LOOKBACK, "last": max(days)}
    ).to_pandas()
    return BarSessions(returns)
