"""The report read from the warehouse; counting is done there."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report.model import (
    Bars,
    Coverage,
    OpenFailure,
    Report,
    RunSummary,
)
from stock_platform.quality.report.quarantine import quarantined
from stock_platform.warehouse.port import Warehouse

# One of a bar begins its sample text with "SYMBOL: ".
_BAR_CHECKS: Final = frozenset(
    {
        *("unit_scale", "unexplained_move", "split_applied", "stale_price"),
        *("dividend_plausible", "adjusted_close_agrees"),
    }
)
_PLOTTED: Final = 12
_AROUND: Final = timedelta(days=30)

# The newest verdict of each check and partition. A streak begins after the last time it passed.
_NEWEST: Final = """
WITH ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY Asset, CheckName, PartitionKey ORDER BY EvaluatedAt DESC
    ) AS Age,
    MAX(IF(Passed, EvaluatedAt, NULL)) OVER (
      PARTITION BY Asset, CheckName, PartitionKey
    ) AS LastPassed
  FROM asset_check_result
),
streaks AS (
  SELECT Asset, CheckName, PartitionKey, MIN(EvaluatedAt) AS Since
  FROM ranked
  WHERE NOT Passed AND (LastPassed IS NULL OR EvaluatedAt > LastPassed)
  GROUP BY Asset, CheckName, PartitionKey
)
SELECT ranked.*, streaks.Since
FROM ranked
LEFT JOIN streaks
  ON streaks.Asset = ranked.Asset AND streaks.CheckName = ranked.CheckName
  AND streaks.PartitionKey = ranked.PartitionKey
WHERE ranked.Age = 1
ORDER BY ranked.Asset, ranked.CheckName, ranked.PartitionKey
"""
# Expected: sessions of its own exchange since its first price, of those that hold any price.
_COVERAGE: Final = """
WITH loaded AS (SELECT DISTINCT DateKey, ExchangeCode FROM fact_stock_price),
symbols AS (
  SELECT Ticker, ExchangeCode, MIN(DateKey) AS FirstKey, COUNT(DISTINCT DateKey) AS Present
  FROM fact_stock_price
  GROUP BY Ticker, ExchangeCode
)
SELECT symbols.Ticker, symbols.Present, COUNT(loaded.DateKey) AS Expected
FROM symbols
INNER JOIN loaded
  ON loaded.ExchangeCode = symbols.ExchangeCode AND loaded.DateKey >= symbols.FirstKey
GROUP BY symbols.Ticker, symbols.Present
"""
_ROWS: Final = "SELECT TradeDate, COUNT(*) AS n FROM fact_stock_price GROUP BY TradeDate"
_BARS: Final = """
SELECT TradeDate, Open, High, Low, Close
FROM fact_stock_price
WHERE Ticker = @ticker AND TradeDate BETWEEN @first AND @last
ORDER BY TradeDate
"""


def report(
    warehouse: Warehouse,
    paths: LakePaths,
    runs: Sequence[RunSummary],
    generated_at: datetime,
    dagster_url: str,
) -> Report:
    """The state of the data as of the last collected verdicts."""
    verdicts = warehouse.query(_NEWEST).to_pylist()
    rows = {str(it["TradeDate"]): int(it["n"]) for it in warehouse.query(_ROWS).to_pylist()}
    failures = [_failure(it) for it in verdicts if not it["Passed"]]
    states: dict[str, dict[str, str]] = defaultdict(dict)
    sentences: dict[str, dict[str, str]] = defaultdict(dict)
    for it in verdicts:
        if it["PartitionKey"]:
            check = f"{it['Asset']} · {it['CheckName']}"
            states[check][it["PartitionKey"]] = _state(it)
            sentences[check][it["PartitionKey"]] = it["Description"]
    return Report(
        generated_at=generated_at,
        dagster_url=dagster_url,
        newest_session=date.fromisoformat(max(rows)) if rows else None,
        last_checked=max((it["EvaluatedAt"] for it in verdicts), default=None),
        states=states,
        sentences=sentences,
        whole=[
            (it["Asset"], it["CheckName"], _state(it), it["Description"])
            for it in verdicts
            if not it["PartitionKey"]
        ],
        failures=failures,
        coverage=_coverage(warehouse, paths),
        bars=_bars(warehouse, failures),
        rows=dict(sorted(rows.items())),
        runs=runs,
    )


def _state(verdict: dict[str, Any]) -> str:
    if verdict["Passed"]:
        return "passed"
    return "warned" if verdict["Severity"] == "WARN" else "failed"


def _failure(it: dict[str, Any]) -> OpenFailure:
    return OpenFailure(
        asset=it["Asset"],
        check=it["CheckName"],
        session=it["PartitionKey"] or None,
        severity=it["Severity"],
        blocking=it["Blocking"],
        since=it["Since"],
        says=it["Description"],
        sample=orjson.loads(it["Sample"]),
        run_id=it["RunId"],
    )


def _coverage(warehouse: Warehouse, paths: LakePaths) -> list[Coverage]:
    """The worst first; symbols of which nothing but quarantined records is known included."""
    reasons = quarantined(paths)
    counted = {
        it["Ticker"]: Coverage(
            it["Ticker"], int(it["Expected"]), int(it["Present"]), reasons.get(it["Ticker"], {})
        )
        for it in warehouse.query(_COVERAGE).to_pylist()
    }
    for symbol in reasons.keys() - counted.keys():
        records = sum(reasons[symbol].values())
        counted[symbol] = Coverage(symbol, records, 0, reasons[symbol])
    return sorted(counted.values(), key=lambda it: (-it.missing, it.symbol))


def _bars(warehouse: Warehouse, failures: Sequence[OpenFailure]) -> list[Bars]:
    """Of each check and symbol the newest bar that offends, errors first."""
    wanted: dict[tuple[str, str], tuple[str, str]] = {}
    newest_first = sorted(failures, key=lambda it: it.session or "", reverse=True)
    for failure in sorted(newest_first, key=lambda it: it.severity):
        if failure.check in _BAR_CHECKS and failure.session:
            for text in failure.sample:
                symbol, _, says = text.partition(": ")
                wanted.setdefault((failure.check, symbol), (failure.session, says))
    found = []
    for (check, symbol), (session, says) in list(wanted.items())[:_PLOTTED]:
        day = date.fromisoformat(session)
        span = {"ticker": symbol, "first": day - _AROUND, "last": day + _AROUND}
        rows = warehouse.query(_BARS, span)
        if rows.num_rows:
            found.append(Bars(symbol, session, f"{check}: {says}", rows.to_pydict()))
    return found
