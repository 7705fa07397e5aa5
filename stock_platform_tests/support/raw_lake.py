"""Raw price records and runs for tests of the Spark job, and readers of its output.

The security of a symbol is `ID-SYMBOL`, unless a record names another one.
"""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.spark.batch import SparkBatch

SESSION = "2012-01-03"
SYMBOLS = ("AAPL", "MSFT", "NA")
FIRST_KNOWN_FROM = datetime(2026, 11, 27, 12, 0, 0, 1, tzinfo=UTC)
KEYS = {
    "stock_prices": ("SecurityId", "TradeDate"),
    "corporate_actions": ("SecurityId", "TradeDate", "ActionType"),
    "quarantine": ("TradeDate", "SecurityId", "Ticker", "Reason", "Record"),
}
BAR = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "adj_close": 10.5, "volume": 1000}


def raw_line(symbol: str | None = "AAPL", session: str | None = SESSION, **fields: Any) -> str:
    """A good raw record as JSON, with the given fields replaced."""
    bar = BAR | fields.pop("bar_fields", {})
    line = {
        "symbol": symbol,
        "security_id": f"ID-{symbol}",
        "session_date": session,
        "outcome": "ok",
        "exchange": "XNAS",
        "currency": "USD",
        "bar": bar,
        "dividend": None,
        "dividend_currency": None,
        "capital_gain": None,
        "split": None,
        "later_splits": [],
        "fetched_at": "2026-11-22T21:05:35.123456+00:00",
        "client": "yfinance/1.7.0",
        "response_sha256": "ab" * 32,
        "error": None,
    }
    return json.dumps(line | fields)


def split(numerator: Any, denominator: Any, day: str = "2014-06-09") -> dict[str, Any]:
    """A later split as in a raw record."""
    return {"date": day, "numerator": numerator, "denominator": denominator}


class RawLake:
    """Raw runs in a folder, their request, and the job's output.

    Attributes:
        sessions: those of the request.
        files: the request's record files by URI.
    """

    def __init__(self, folder: Path, symbols: Sequence[str] = SYMBOLS) -> None:
        self.folder = folder
        self.symbols = symbols
        self.sessions: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, session: str, *lines: str, run: str = "a", last: str = "2012-12-31") -> Self:
        """Write the next record file of a run from this session to the last one."""
        name = f"20261122T210535Z_{session}_{session}_{run}"
        folder = self.folder / "raw" / "stock_prices" / f"run={name}"
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("records-*")))
        content = gzip.compress("".join(f"{line}\n" for line in lines).encode())
        file = folder / f"records-{number:05}.json.gz"
        file.write_bytes(content)
        # Not listed in a request: the job must not read the whole folder.
        (folder / f"responses-{number:05}.json.gz").write_bytes(gzip.compress(b"{}\n"))
        self.files[str(file)] = {
            "run": name,
            "lines": sum(bool(line.strip()) for line in lines),
            "sha256": sha256(content).hexdigest(),
            "first_session": session,
            "last_session": last,
        }
        self.sessions = sorted({*self.sessions, session})
        return self

    def file(self, session: str) -> Path:
        """The first record file of a run that begins with this session."""
        return Path(next(uri for uri in self.files if f"_{session}_" in uri))

    def forget(self) -> Self:
        """Leave the runs until now out of later requests, as if they had been archived."""
        self.sessions, self.files = [], {}
        return self

    def batch(
        self,
        name: str | None = None,
        *,
        base: Sequence[SparkBatch] = (),
        securities: Sequence[str] | None = None,
    ) -> SparkBatch:
        """Write the request for all sessions; the base are earlier batches, in their order.

        Batches have the ids `batch-1`, `batch-2`, ..., and are known from one day after another.
        """
        batch_id = f"batch-{len(base) + 1}"
        staging = self.folder / "processed" / "_staging" / (name or batch_id)
        staging.mkdir(parents=True)
        request = {
            "batch_id": batch_id,
            "known_from": (FIRST_KNOWN_FROM + timedelta(days=len(base))).isoformat(),
            "sessions": self.sessions,
            "symbols": self.symbols,
            "securities": securities,
            "files": self.files,
            "base": {
                table: {
                    str(file): pq.ParquetFile(file).metadata.num_rows
                    for batch in base
                    for file in files_of(batch, table).values()
                }
                for table in KEYS
            },
        }
        (staging / "request.json").write_text(json.dumps(request))
        return SparkBatch(batch_id, str(staging / "request.json"), str(staging))


def metrics_of(batch: SparkBatch) -> dict[str, Any]:
    """The batch's metrics, after checking that they account for every record."""
    (part,) = Path(batch.output_uri, "metrics.json").glob("[!._]*")
    metrics: dict[str, Any] = json.loads(part.read_text())
    for measured in metrics["sessions"].values():
        ends = [measured[end] for end in ("quarantined", "without_bar", "superseded")]
        counts = [count for end in ends for count in end.values()]
        assert measured["lines_read"] == measured["valid"] + sum(counts)
        prices = measured["changes"]["stock_prices"]
        assert measured["valid"] == sum(prices[kind] for kind in ("new", "restated", "unchanged"))
    return metrics


def files_of(batch: SparkBatch, table: str) -> dict[str, Path]:
    """The one file of each year that has rows."""
    files = sorted(Path(batch.output_uri, table).glob("year=*/*.parquet"))
    by_year = {file.parent.name.removeprefix("year="): file for file in files}
    assert len(by_year) == len(files), "a year has more than one file"
    return by_year


def table_of(batch: SparkBatch, table: str) -> pa.Table:
    """All rows, in the order of years and within a year as written."""
    return pa.concat_tables(
        pq.ParquetFile(file).read().replace_schema_metadata()
        for file in files_of(batch, table).values()
    )


def rows_of(batch: SparkBatch, table: str) -> list[dict[str, Any]]:
    """The rows as dictionaries; none where no year has any."""
    rows: list[dict[str, Any]] = []
    for file in files_of(batch, table).values():
        rows += pq.ParquetFile(file).read().to_pylist()
    return rows


def changes_of(batch: SparkBatch, table: str, session: str = SESSION) -> dict[str, int]:
    """The session's counts by change that are not zero."""
    changes = metrics_of(batch)["sessions"][session]["changes"][table]
    return {change: count for change, count in changes.items() if count}


def current_of(batches: Sequence[SparkBatch], table: str) -> list[dict[str, Any]]:
    """The newest version per key after the batches, without withdrawn ones, in order of the key."""
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    for batch in batches:
        versions = rows_of(batch, table)
        found = {tuple(str(row[name]) for name in KEYS[table]): row for row in versions}
        assert len(found) == len(versions), "a batch has two versions of a key"
        newest |= found
    return [row for _, row in sorted(newest.items()) if row["Change"] != "withdrawn"]
