"""Coverage by symbol: expected, present and missing sessions, and quarantined records."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.lake.versions import current_rows
from stock_platform.quality.report.model import Coverage
from stock_platform.warehouse.interface import Warehouse

# Expected are the sessions of the symbol's exchange from its first price there to its last, or,
# for the exchange of an active company, to the last processed session. Only processed sessions
# count. A session without any price is found by its check results.
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


_QUARANTINE: Final = ["Ticker", "Reason"]


def measure_coverage(warehouse: Warehouse, paths: LakePaths) -> list[Coverage]:
    """Return the coverage of all symbols, most missing sessions first.

    Includes active companies and quarantined symbols that never had a price.
    """
    quarantined = _count_quarantined(paths)
    rows = {row["Ticker"]: row for row in warehouse.query(_COVERAGE).to_pylist()}
    no_price = {"Expected": None, "Present": 0, "Missing": 0}
    symbols = [
        Coverage(
            symbol,
            expected=row["Expected"],
            present=int(row["Present"]),
            missing=int(row["Missing"]),
            quarantined=quarantined.get(symbol, {}),
        )
        for symbol in {*rows, *quarantined}
        for row in [rows.get(symbol, no_price)]
    ]
    return sorted(symbols, key=lambda found: (-found.missing, found.present > 0, found.symbol))


def _count_quarantined(paths: LakePaths) -> Mapping[str, Mapping[str, int]]:
    """Return the number of quarantined records by symbol and reason."""
    state = read_state(paths)
    rows = current_rows(paths, state, "quarantine", state.sessions, _QUARANTINE)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group in rows.group_by(_QUARANTINE).aggregate([([], "count_all")]).to_pylist():
        symbol = group["Ticker"] or "(no symbol)"
        counts[symbol][group["Reason"]] += int(group["count_all"])
    return counts
