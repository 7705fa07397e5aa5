"""Measure processed sessions: job metrics, stored rows, quarantine and invalid published bars."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
import pandas as pd
import pyarrow.parquet as pq

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.publish import ProcessedSession, read_published, row_count
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.result import MAX_EXAMPLES

# Must be the tolerance of spark_jobs/process_stock_prices.py; a test compares both formulas.
_OHLC_TOLERANCE: Final = 1e-4
_MAX_RECORD_CHARS: Final = 160


def measure_processed_sessions(
    paths: LakePaths, sessions: Sequence[str], bars: pd.DataFrame
) -> dict[str, ProcessedMeasure]:
    """Measure published sessions, given their bars as read by `measures.bars`."""
    invalid = invalid_bars(bars)

    def measure(session: str) -> ProcessedMeasure:
        published = read_published(paths, session)
        return ProcessedMeasure(
            # Version 0.1.0 superseded no record.
            {"superseded": {}, **published.manifest["metrics"]},
            {table: row_count(uri) for table, uri in published.objects.items()},
            _quarantined(published),
            invalid.get(session, {}),
        )

    return dict(zip(sessions, files.map_concurrently(measure, sessions), strict=True))


def invalid_bars(bars: pd.DataFrame) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Find published bars that the job should have quarantined, by session and reason.

    Independent of the job's own result: a wrong job must not go unnoticed.
    """
    prices = bars[["Open", "High", "Low", "Close"]]
    reasons = {
        "ohlc_inconsistent": is_ohlc_inconsistent(bars),
        "non_positive_price": (prices <= 0).any(axis=1),
        "negative_volume": bars["Volume"] < 0,
        "null_bar": prices.isna().any(axis=1) | bars["Volume"].isna(),
        "duplicate": bars.duplicated(["Ticker", "Session"]),
    }
    found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for reason, is_invalid in reasons.items():
        for session, rows in bars[is_invalid].groupby("Session"):
            found[str(session)][reason] = tuple(f"{ticker}: published" for ticker in rows["Ticker"])
    return found


def is_ohlc_inconsistent(bars: pd.DataFrame) -> "pd.Series[bool]":
    """Return True per bar whose high or low is beyond its other prices by more than the tolerance.

    The same formula as `price_rules` of the Spark job.
    """
    highest = bars[["Open", "Low", "Close"]].max(axis=1)
    lowest = bars[["Open", "High", "Close"]].min(axis=1)
    return (bars["High"] < highest * (1 - _OHLC_TOLERANCE)) | (
        bars["Low"] > lowest * (1 + _OHLC_TOLERANCE)
    )


def _quarantined(published: ProcessedSession) -> dict[str, tuple[str, ...]]:
    """Return some of the quarantined records of a session, by reason."""
    if "quarantine" not in published.objects:
        return {}
    fs, path = files.filesystem(published.objects["quarantine"])
    with fs.open(path, "rb") as file:
        rows = pq.read_table(file, columns=["Ticker", "Reason", "Record"]).to_pylist()
    by_reason: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if len(by_reason[row["Reason"]]) < MAX_EXAMPLES:
            by_reason[row["Reason"]].append(f"{row['Ticker']}: {_excerpt(row['Record'])}")
    return {reason: tuple(records) for reason, records in by_reason.items()}


def _excerpt(record: str) -> str:
    """Return the bar of a raw record if it has one, else the beginning of the record."""
    try:
        bar = orjson.loads(record)["bar"]
        return ", ".join(f"{name} {value}" for name, value in bar.items())
    except (ValueError, TypeError, KeyError, AttributeError):
        is_short = len(record) <= _MAX_RECORD_CHARS
        return record if is_short else f"{record[:_MAX_RECORD_CHARS]}…"
