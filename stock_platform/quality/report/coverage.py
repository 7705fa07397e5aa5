"""Coverage by symbol: sessions it should have, sessions it has, and what lies in quarantine."""

from typing import Final

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report.model import Coverage
from stock_platform.quality.report.quarantine import quarantined
from stock_platform.warehouse.interface import Warehouse

# Expected: sessions of the exchange that the symbol was on, from its first price there to its
# last, or to the last that was processed while the ERP calls it active, as far as they were
# processed at all. A session whose prices are all lost was processed too, so it counts.
_COVERAGE: Final = """
WITH processed AS (
  SELECT DISTINCT DateKey FROM fact_stock_price WHERE TradeDate >= '1900-01-01'
  UNION DISTINCT
  SELECT CAST(REPLACE(PartitionKey, '-', '') AS INT64)
  FROM asset_check_result
  WHERE Asset = 'processed_stock_prices' AND PartitionKey <> ''
),
stays AS (
  SELECT
    Ticker, ExchangeCode, MIN(DateKey) AS FirstKey, MAX(DateKey) AS LastKey,
    ROW_NUMBER() OVER (PARTITION BY Ticker ORDER BY MAX(DateKey) DESC) = 1 AS IsNewest
  FROM fact_stock_price
  WHERE TradeDate >= '1900-01-01'
  GROUP BY Ticker, ExchangeCode
),
expected AS (
  SELECT DISTINCT stays.Ticker, processed.DateKey
  FROM stays
  LEFT JOIN dim_company AS company ON company.Symbol = stays.Ticker
  INNER JOIN dim_trading_session AS open_day
    ON open_day.ExchangeCode = stays.ExchangeCode AND open_day.DateKey >= stays.FirstKey
    AND (
      open_day.DateKey <= stays.LastKey
      OR (stays.IsNewest AND COALESCE(company.IsActive, FALSE))
    )
  INNER JOIN processed ON processed.DateKey = open_day.DateKey
),
missing AS (
  SELECT expected.Ticker, COUNT(*) AS Expected, COUNT(*) - COUNT(price.DateKey) AS Missing
  FROM expected
  LEFT JOIN (
    SELECT DISTINCT Ticker, DateKey FROM fact_stock_price WHERE TradeDate >= '1900-01-01'
  ) AS price
    ON price.Ticker = expected.Ticker AND price.DateKey = expected.DateKey
  GROUP BY expected.Ticker
),
present AS (
  SELECT Ticker, COUNT(DISTINCT DateKey) AS Present
  FROM fact_stock_price
  WHERE TradeDate >= '1900-01-01'
  GROUP BY Ticker
),
symbols AS (
  SELECT Ticker FROM present
  UNION DISTINCT
  SELECT Symbol FROM dim_company WHERE IsActive
)
SELECT
  symbols.Ticker, missing.Expected, COALESCE(missing.Missing, 0) AS Missing,
  COALESCE(present.Present, 0) AS Present
FROM symbols
LEFT JOIN present ON present.Ticker = symbols.Ticker
LEFT JOIN missing ON missing.Ticker = symbols.Ticker
"""


def coverage(warehouse: Warehouse, paths: LakePaths) -> list[Coverage]:
    """The worst first; active companies and quarantined symbols without any price included."""
    reasons = quarantined(paths)
    rows = {row["Ticker"]: row for row in warehouse.query(_COVERAGE).to_pylist()}
    counted = [
        Coverage(
            symbol,
            rows[symbol]["Expected"] if symbol in rows else None,
            int(rows[symbol]["Present"]) if symbol in rows else 0,
            int(rows[symbol]["Missing"]) if symbol in rows else 0,
            reasons.get(symbol, {}),
        )
        for symbol in {*rows, *reasons}
    ]
    return sorted(counted, key=lambda it: (-it.missing, it.present > 0, it.symbol))
