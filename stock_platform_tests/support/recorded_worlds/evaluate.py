"""Evaluate the registered checks of sessions and bars on a world, one row per file.

A rule that is added to the registry is evaluated here without another line.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pandas as pd

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.orchestration.checks.registry import REGISTRY, Check, Measurement, Sources
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.result import RuleResult
from stock_platform.settings import Settings
from stock_platform.settings.quality import QualityLimits
from stock_platform_tests.support.recorded_worlds.world import World

COLUMNS: Final = ["file", "symbol", "session", "check", "passed", "severity", "says"]
# Prefixes of check names: both fact tables have the same rules.
_PREFIXES: Final = {
    "raw_stock_prices": "",
    "processed_stock_prices": "",
    FACT_STOCK_PRICE.name: "",
    FACT_CORPORATE_ACTION.name: "fact_corporate_action.",
}


def evaluate(world: World, limits: QualityLimits | None = None) -> pd.DataFrame:
    """Return one row (COLUMNS) per result: passed, or failed with a severity and a reason.

    Rules for bars have an exact result per symbol and session. Rules for sessions have one row
    without a file per passed session, and one row per symbol that the examples (ten at most) name
    per failed session. A failure that names no symbol is attributed to the symbols with quarantined
    records, or to no file. Results for a session that a symbol was not requested for (four of five,
    for weekly bars) are left out, because they are not about its file.
    """
    limits = limits or QualityLimits()
    sources = Sources(Settings(quality=limits), world.paths, lambda: world.warehouse)
    return pd.concat(_evaluate_all(world, sources, limits), ignore_index=True)[COLUMNS]


def _evaluate_all(world: World, sources: Sources, limits: QualityLimits) -> Iterator[pd.DataFrame]:
    for asset, prefix in _PREFIXES.items():
        measurement = REGISTRY[asset].sessions(sources, world.sessions)
        for check in REGISTRY[asset].checks:
            if check.scope == "session":
                results = check.session_results(measurement, world.sessions, limits)
                yield _of_sessions(world, f"{prefix}{check.name}", measurement, results)
            elif check.scope == "bar":
                yield _of_bars(world, check, measurement, limits)


def _of_bars(
    world: World, check: Check, measurement: Measurement, limits: QualityLimits
) -> pd.DataFrame:
    bars = measurement.bars.bars
    failed = check.rule(bars, limits)
    rows = pd.DataFrame({"symbol": bars["Ticker"], "session": bars["Session"]})
    rows["says"] = failed["Text"].str.split(": ", n=1).str[1].reindex(bars.index).fillna("")
    severity = failed["Error"].map({True: "ERROR", False: "WARN"})
    rows["severity"] = severity.reindex(bars.index).fillna("")
    rows["passed"] = ~bars.index.isin(failed.index)
    rows["file"] = rows["symbol"].map({symbol: file.name for symbol, file in world.files.items()})
    return rows.assign(check=check.name)


def _of_sessions(
    world: World, check: str, measurement: Measurement, results: dict[str, RuleResult]
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for session, result in results.items():
        severity = "WARN" if result.warn_only else "ERROR"
        failed = {"session": session, "check": check, "passed": False, "severity": severity}
        named = list(_named(world, result, measurement.sessions[session]))
        requested = [(symbol, text) for symbol, text in named if session in world.asked[symbol]]
        if result.passed or (named and not requested):
            rows.append({**failed, "passed": True, "severity": "", "says": ""})
        elif not named:
            rows.append({**failed, "says": result.summary})
        for symbol, text in requested:
            file, says = world.files[symbol].name, text or result.summary
            rows.append({**failed, "symbol": symbol, "file": file, "says": says})
    return pd.DataFrame(rows, columns=COLUMNS)


def _named(world: World, result: RuleResult, measured: object) -> Iterator[tuple[str, str]]:
    """Yield the symbols that a failed result names, each with its text."""
    texts = [text for text in result.examples if text.partition(":")[0] in world.files]
    if not (texts or result.passed) and isinstance(measured, ProcessedMeasure):
        texts = [
            f"{record.partition(':')[0]}: {reason}"
            for reason, records in measured.quarantined.items()
            for record in records
        ]
    for text in texts:
        symbol, _, says = text.partition(":")
        if symbol in world.files:
            yield symbol, says.strip()


def failures(evaluations: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows that did not pass in some worlds."""
    found = pd.concat(evaluations, ignore_index=True)
    return found[~found["passed"]]
