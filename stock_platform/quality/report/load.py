"""Read the report from the warehouse and the quarantine."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import orjson

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.report.bars import find_failing_bars
from stock_platform.quality.report.coverage import measure_coverage
from stock_platform.quality.report.model import CheckResult, Report
from stock_platform.warehouse.interface import Warehouse

# A streak of failures starts after the last success.
_NEWEST_RESULTS: Final = """
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
_NEWEST_SESSION: Final = """
SELECT MAX(TradeDate) AS Newest FROM fact_stock_price WHERE TradeDate >= '1900-01-01'
"""


def load_report(
    warehouse: Warehouse,
    paths: LakePaths,
    checks: Collection[tuple[str, str]],
    dagster_url: str,
    generated_at: datetime,
) -> Report:
    """Read the state of the data according to the last collected check results.

    Args:
        warehouse: has the check results and the prices.
        paths: locations in the lake.
        checks: asset and name of the existing checks. Results of other checks are ignored, because
            a check that no longer exists can never pass.
        dagster_url: address of the UI.
        generated_at: time of the report.
    """
    results = [
        _check_result(row)
        for row in warehouse.query(_NEWEST_RESULTS).to_pylist()
        if (row["Asset"], row["CheckName"]) in checks
    ]
    return Report(
        generated_at=generated_at,
        dagster_url=dagster_url,
        newest_session=warehouse.query(_NEWEST_SESSION)["Newest"][0].as_py(),
        results=results,
        coverage=measure_coverage(warehouse, paths),
        bars=find_failing_bars(warehouse, results),
    )


def _check_result(row: dict[str, Any]) -> CheckResult:
    return CheckResult(
        asset=row["Asset"],
        check=row["CheckName"],
        session=row["PartitionKey"],
        passed=row["Passed"],
        severity=row["Severity"],
        blocking=row["Blocking"],
        evaluated_at=row["EvaluatedAt"],
        since=row["Since"],
        description=row["Description"],
        examples=orjson.loads(row["Sample"]),
        run_id=row["RunId"],
    )
