"""Coverage by symbol: sessions it should have, sessions it has, and what lies in quarantine."""

from typing import Final

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report.model import Coverage
from stock_platform.quality.report.quarantine import quarantined
from stock_platform.warehouse.port import Warehouse

# Expected: sessions of the symbol's exchange (its newest, by the ERP) from its first price to its
# last, or to the last that was processed while the ERP calls it active, as far as they were
# processed at all. A session whose prices are all lost was processed too, so it counts.
_COVERAGE: Final = """
WITH processed AS (
  SELECT DISTINCT DateKey FROM fact_stock_price
  UNION DISTINCT
  SELECT CAST(REPLACE(PartitionKey, '-', '') AS INT64)
  FROM asset_check_result
  WHERE Asset = 'processed_stock_prices' AND PartitionKey <> ''
),
symbols AS (
  SELECT
    Ticker, MIN(DateKey) AS FirstKey, MAX(DateKey) AS LastKey,
    MAX_BY(ExchangeCode, DateKey) AS ExchangeCode
  FROM fact_stock_price
  GROUP BY Ticker
),
listed AS (
  SELECT
    symbols.Ticker, symbols.FirstKey, symbols.LastKey,
    COALESCE(company.ExchangeCode, symbols.ExchangeCode) AS ExchangeCode,
    COALESCE(company.IsActive, FALSE) AS IsActive
  FROM symbols
  LEFT JOIN dim_company AS company ON company.Symbol = symbols.Ticker
)
SELECT
  listed.Ticker, COUNT(DISTINCT open_day.DateKey) AS Expected,
  COUNT(DISTINCT price.DateKey) AS Present
FROM listed
INNER JOIN dim_trading_session AS open_day
  ON open_day.ExchangeCode = listed.ExchangeCode AND open_day.DateKey >= listed.FirstKey
  AND (listed.IsActive OR open_day.DateKey <= listed.LastKey)
INNER JOIN processed ON processed.DateKey = open_day.DateKey
LEFT JOIN fact_stock_price AS price
  ON price.Ticker = listed.Ticker AND price.DateKey = open_day.DateKey
GROUP BY listed.Ticker
"""


def coverage(warehouse: Warehouse, paths: LakePaths) -> list[Coverage]:
    """The worst first; symbols of which nothing but quarantined records is known included."""
    reasons = quarantined(paths)
    counted = {
        row["Ticker"]: Coverage(
            row["Ticker"],
            int(row["Expected"]),
            int(row["Present"]),
            reasons.get(row["Ticker"], {}),
        )
        for row in warehouse.query(_COVERAGE).to_pylist()
    }
    for symbol in reasons.keys() - counted.keys():
        counted[symbol] = Coverage(symbol, None, 0, reasons[symbol])
    return sorted(
        counted.values(), key=lambda it: (it.expected is not None, -it.missing, it.symbol)
    )
