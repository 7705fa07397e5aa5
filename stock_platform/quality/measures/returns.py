"""Our total returns beside those of Yahoo's adjusted close, from the warehouse."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from stock_platform.quality.measures.bars import BarSessions
from stock_platform.warehouse.port import Warehouse

# A bar is compared with the one before of the same answer: AdjClose is adjusted for what was
# known at its FetchedAt, and two fetches know of different actions.
_RETURNS: Final = """
WITH bars AS (
  SELECT
    price.Ticker, price.TradeDate, price.FetchedAt, price.AdjClose, adjusted.TotalReturnClose,
    LAG(price.FetchedAt) OVER before AS FetchedBefore,
    LAG(price.AdjClose) OVER before AS AdjCloseBefore,
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
  AdjClose / AdjCloseBefore AS YahooReturn
FROM bars
WHERE TradeDate IN UNNEST(@sessions) AND FetchedAt = FetchedBefore AND AdjCloseBefore > 0
"""
# The bar before lies this far back at most; null days may stand between.
_LOOKBACK: Final = timedelta(days=30)


def session_returns(warehouse: Warehouse, sessions: Sequence[str]) -> BarSessions:
    """OurReturn and YahooReturn (1 + return) of each bar that can be compared."""
    days = [date.fromisoformat(session) for session in sessions]
    returns = warehouse.query(
        _RETURNS, {"sessions": days, "first": min(days) - _LOOKBACK, "last": max(days)}
    ).to_pandas()
    return BarSessions(returns)
