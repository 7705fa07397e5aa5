"""The report read from the warehouse; counting is done there."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any, Final

import orjson

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report.bars import offending_bars
from stock_platform.quality.report.coverage import coverage
from stock_platform.quality.report.model import DagsterState, OpenFailure, Report
from stock_platform.warehouse.interface import Warehouse

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
# A session that was processed and has no price has no row of the fact.
_ROWS: Final = """
SELECT Session, SUM(n) AS n
FROM (
  SELECT CAST(TradeDate AS STRING) AS Session, 1 AS n
  FROM fact_stock_price
  WHERE TradeDate >= '1900-01-01'
  UNION ALL
  SELECT DISTINCT PartitionKey, 0
  FROM asset_check_result
  WHERE Asset = 'processed_stock_prices' AND PartitionKey <> ''
)
GROUP BY Session
"""


def report(
    warehouse: Warehouse, paths: LakePaths, dagster: DagsterState, generated_at: datetime
) -> Report:
    """The state of the data as of the last collected verdicts."""
    verdicts = [
        it
        for it in warehouse.query(_NEWEST).to_pylist()
        if (it["Asset"], it["CheckName"]) in dagster.checks
    ]
    rows = {it["Session"]: int(it["n"]) for it in warehouse.query(_ROWS).to_pylist()}
    priced = [session for session, count in rows.items() if count]
    failures = [_failure(it) for it in verdicts if not it["Passed"]]
    states: dict[str, dict[str, str]] = defaultdict(dict)
    sentences: dict[str, dict[str, str]] = defaultdict(dict)
    for it in verdicts:
        if it["PartitionKey"]:
            check = f"{it['Asset']} · {it['CheckName']}"
            states[check][it["PartitionKey"]] = _state(it)
            sentences[check][it["PartitionKey"]] = f"{it['Description']} ({_judged_at(it)})"
    return Report(
        generated_at=generated_at,
        dagster_url=dagster.url,
        newest_session=date.fromisoformat(max(priced)) if priced else None,
        last_checked=max((it["EvaluatedAt"] for it in verdicts), default=None),
        states=states,
        sentences=sentences,
        whole=[
            (it["Asset"], it["CheckName"], _state(it), it["Description"], _judged_at(it))
            for it in verdicts
            if not it["PartitionKey"]
        ],
        failures=failures,
        coverage=coverage(warehouse, paths),
        bars=offending_bars(warehouse, failures),
        rows=dict(sorted(rows.items())),
        runs=dagster.runs,
    )


def _judged_at(verdict: dict[str, Any]) -> str:
    return f"{verdict['EvaluatedAt']:%Y-%m-%d %H:%M} UTC"


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
