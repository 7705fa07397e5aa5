"""Raw price records and runs for tests of the Spark job, and readers of its output."""

import gzip
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.spark.batch import SparkBatch

SESSION = "2012-01-03"
SYMBOLS = ("AAPL", "MSFT", "NA")
BAR = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "adj_close": 10.5, "volume": 1000}


def raw_line(symbol: str | None = "AAPL", session: str | None = SESSION, **fields: Any) -> str:
    """A good raw record as JSON, with the given fields replaced."""
    bar = BAR | fields.pop("bar_fields", {})
    line = {
        "symbol": symbol,
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

    def batch(self, name: str = "batch-1") -> SparkBatch:
        """Write the request for all sessions."""
        staging = self.folder / "processed" / "_staging" / name
        staging.mkdir(parents=True)
        request = {
            "batch_id": "batch-1",
            "sessions": self.sessions,
            "symbols": self.symbols,
            "files": self.files,
        }
        (staging / "request.json").write_text(json.dumps(request))
        return SparkBatch("batch-1", str(staging / "request.json"), str(staging))


def metrics_of(batch: SparkBatch) -> dict[str, Any]:
    """The batch's metrics, after checking that they account for every record."""
    (part,) = Path(batch.output_uri, "metrics.json").glob("[!._]*")
    metrics: dict[str, Any] = json.loads(part.read_text())
    for measured in metrics["sessions"].values():
        ends = [measured[end] for end in ("quarantined", "without_bar", "superseded")]
        counts = [count for end in ends for count in end.values()]
        assert measured["lines_read"] == measured["valid"] + sum(counts)
    return metrics


def files_of(batch: SparkBatch, table: str) -> dict[str, Path]:
    """The one file of each session that has rows."""
    files = sorted(Path(batch.output_uri, table).glob("date=*/*.parquet"))
    by_session = {file.parent.name.removeprefix("date="): file for file in files}
    assert len(by_session) == len(files), "a session has more than one file"
    return by_session


def table_of(batch: SparkBatch, table: str) -> pa.Table:
    """All rows, in the order of sessions and within a session as written."""
    return pa.concat_tables(
        pq.ParquetFile(file).read().replace_schema_metadata()
        for file in files_of(batch, table).values()
    )


def rows_of(batch: SparkBatch, table: str) -> list[dict[str, Any]]:
    """The rows as dictionaries; none where no session has any."""
    rows: list[dict[str, Any]] = []
    for file in files_of(batch, table).values():
        rows += pq.ParquetFile(file).read().to_pylist()
    return rows
