"""Measure processed sessions: job metrics, versions written, quarantine and invalid bars."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
import pandas as pd
import pyarrow as pa

from stock_platform.lake.commits import Commit, SessionMetrics
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import ProcessedState
from stock_platform.lake.versions import batch_rows, current_rows, rows_by_session
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.result import MAX_EXAMPLES

# Must be the tolerance of spark_jobs/process_stock_prices.py; a test compares both formulas.
_OHLC_TOLERANCE: Final = 1e-4
_MAX_RECORD_CHARS: Final = 160


def measure_processed_sessions(
    paths: LakePaths, state: ProcessedState, sessions: Sequence[str]
) -> dict[str, ProcessedMeasure]:
    """Measure committed sessions, each by the newest batch that processed it.

    Raises:
        FileNotFoundError: a session was never processed.
    """
    newest: dict[str, Commit] = {session: state.newest(session) for session in sessions}
    batches = {batch.sequence: batch for batch in newest.values()}
    measured = {
        sequence: measure_committed_batch(paths, state, batch)
        for sequence, batch in batches.items()
    }
    return {session: measured[batch.sequence][session] for session, batch in newest.items()}


def measure_committed_batch(
    paths: LakePaths, state: ProcessedState, batch: Commit
) -> dict[str, ProcessedMeasure]:
    """Measure the sessions of a committed batch."""
    versions = {table: batch_rows(paths, state, batch, table) for table in PROCESSED_TABLES}
    known = current_rows(paths, state, "quarantine", batch.sessions)
    return measure_batch(batch.metrics, versions, known)


def measure_batch(
    metrics: Mapping[str, SessionMetrics],
    versions: Mapping[ProcessedTable, pa.Table],
    known_quarantine: pa.Table,
) -> dict[str, ProcessedMeasure]:
    """Measure the sessions of a batch, committed or not.

    Args:
        metrics: metrics of the job, by session.
        versions: the versions that the batch has written.
        known_quarantine: current rows of the quarantine, which the batch may have left unchanged.
    """
    rows = {table: rows_by_session(found) for table, found in versions.items()}
    invalid = invalid_bars(_bars(versions["stock_prices"]))
    quarantined = _quarantined(pa.concat_tables([versions["quarantine"], known_quarantine]))
    return {
        session: ProcessedMeasure(
            measured,
            {table: found.get(session, 0) for table, found in rows.items()},
            quarantined.get(session, {}),
            invalid.get(session, {}),
        )
        for session, measured in metrics.items()
    }


def _bars(versions: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = versions.to_pandas()
    frame["Session"] = frame["TradeDate"].astype(str)
    return frame[frame["Change"] != "withdrawn"]


def invalid_bars(bars: pd.DataFrame) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Find bars that the job should have quarantined, by session and reason.

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


def _quarantined(rows: pa.Table) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return some of the quarantined records by session and reason."""
    found: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows.select(["TradeDate", "Ticker", "Reason", "Record", "Change"]).to_pylist():
        examples = found[row["TradeDate"].isoformat()][row["Reason"]]
        if row["Change"] != "withdrawn" and len(examples) < MAX_EXAMPLES:
            examples[f"{row['Ticker']}: {_excerpt(row['Record'])}"] = None
    return {
        session: {reason: tuple(examples) for reason, examples in by_reason.items() if examples}
        for session, by_reason in found.items()
    }


def _excerpt(record: str) -> str:
    """Return the bar of a raw record if it has one, else the beginning of the record."""
    try:
        bar = orjson.loads(record)["bar"]
        return ", ".join(f"{name} {value}" for name, value in bar.items())
    except (ValueError, TypeError, KeyError, AttributeError):
        is_short = len(record) <= _MAX_RECORD_CHARS
        return record if is_short else f"{record[:_MAX_RECORD_CHARS]}…"
