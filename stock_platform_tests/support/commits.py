"""Batches of the processed layer made by hand: staged, committed and refused."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.lake import commits, files
from stock_platform.lake.commits import Commit, ConflictError, Part
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import part_uri
from stock_platform.lake.staging import StagedBatch, read_staged
from stock_platform.lake.versions import VERSION_SCHEMAS

SESSION = "2012-01-03"
KNOWN = datetime(2026, 1, 1, tzinfo=UTC)
# Rows by table.
Rows = Mapping[ProcessedTable, Sequence[dict[str, Any]]]


def known(day: int) -> datetime:
    """The moment at which the batch of a day became known."""
    return KNOWN + timedelta(days=day)


def price(security: str = "C-1", session: str = SESSION, **fields: Any) -> dict[str, Any]:
    """A version of a price, with the given columns replaced."""
    close = fields.get("Close", 10.0)
    prices = dict.fromkeys(("Open", "High", "Low", "Close", "YahooAdjClose"), close)
    values = {"ExchangeCode": "XNAS", "Volume": 1000, "Currency": "USD", **prices}
    return _version(session, {"SecurityId": security, "Ticker": f"T-{security}", **values} | fields)


def action(security: str = "C-1", session: str = SESSION, **fields: Any) -> dict[str, Any]:
    """A version of a corporate action, with the given columns replaced."""
    values = {"ActionType": "dividend", "Value": 0.5, "Currency": "USD"}
    return _version(session, {"SecurityId": security, "Ticker": f"T-{security}", **values} | fields)


def quarantined(
    security: str | None = "C-1", session: str = SESSION, **fields: Any
) -> dict[str, Any]:
    """A version of a quarantined record, with the given columns replaced."""
    values = {"SecurityId": security, "Ticker": security and f"T-{security}"}
    return _version(session, {**values, "Reason": "null_bar", "Record": "{}"} | fields)


def _version(session: str, fields: dict[str, Any]) -> dict[str, Any]:
    day = date.fromisoformat(session)
    common = {
        "DateKey": int(f"{day:%Y%m%d}"),
        "TradeDate": day,
        "FetchedAt": KNOWN,
        "Change": "new",
    }
    return common | fields


def add_batch(
    paths: LakePaths,
    rows: Rows | None = None,
    *,
    day: int,
    sessions: Sequence[str] = (SESSION,),
    **others: Sequence[str],
) -> Commit:
    """Append the batch of a day, with one part per table and year. Reasons make it a refused one.

    Args:
        paths: paths of the lake.
        rows: versions by table.
        day: decides its id and moment.
        sessions: the sessions that it processed, ascending.
        others: of the commit: `runs`, `open_runs` or `reasons`.
    """
    batch_id = f"batch-{day}"
    parts = [
        store_part(paths, table, found, day)
        for table in PROCESSED_TABLES
        for found in _by_year((rows or {}).get(table, ()))
    ]
    commit = Commit(
        kind="refused" if others.get("reasons") else "batch",
        sequence=len(commits.read_commits(paths)),
        batch_id=batch_id,
        known_from=known(day),
        runs=tuple(others.get("runs", ())),
        open_runs=tuple(others.get("open_runs", ())),
        sessions=tuple(sessions),
        parts=tuple(parts),
        metrics=_metrics(rows or {}, sessions),
        engine="by hand",
        reasons=tuple(others.get("reasons", ())),
    )
    commits.append(paths, commit)
    return commit


def store_part(
    paths: LakePaths, table: ProcessedTable, rows: Sequence[dict[str, Any]], day: int
) -> Part:
    """Write an object with versions of one year."""
    content = parquet(table, rows, day)
    digest = hashlib.sha256(content).hexdigest()
    dates = sorted(str(row["TradeDate"]) for row in rows)
    path = f"year={dates[0][:4]}/batch-{day}.{digest[:12]}.parquet"
    part = Part(table, path, len(rows), digest, dates[0], dates[-1])
    files.create(part_uri(paths, part), content)
    return part


def parquet(table: ProcessedTable, rows: Iterable[dict[str, Any]], day: int) -> bytes:
    """The content of an object with versions of the batch of a day."""
    common = {"BatchId": f"batch-{day}", "KnownFrom": known(day)}
    sink = pa.BufferOutputStream()
    schema = VERSION_SCHEMAS[table]
    pq.write_table(pa.Table.from_pylist([common | row for row in rows], schema=schema), sink)
    return bytes(sink.getvalue())


def loaded_batch(day: int, prices: int = 0, actions: int = 0) -> Commit:
    """The batch of a day with numbers of versions."""
    parts = (
        Part("stock_prices", "", prices, "", SESSION, SESSION),
        Part("corporate_actions", "", actions, "", SESSION, SESSION),
    )
    return Commit("batch", day, f"batch-{day}", known(day), (), (), parts=parts)


def stage(
    paths: LakePaths, rows: Rows, *, day: int, sessions: Sequence[str] = (SESSION,)
) -> StagedBatch:
    """Stage the batch of a day as the Spark job does, with the metrics of its rows."""
    uri = paths.staging(f"batch-{day}", "attempt")
    for table, of_table in rows.items():
        for found in _by_year(of_table):
            folder = f"{uri}/{table}/year={found[0]['TradeDate'].year}"
            files.write(f"{folder}/part-0.parquet", parquet(table, found, day))
    content = {
        "batch_id": f"batch-{day}",
        "known_from": known(day).isoformat(),
        "engine": "by hand",
        "sessions": _metrics(rows, sessions),
    }
    files.write(f"{uri}/metrics.json/part-0.txt", orjson.dumps(content))
    return read_staged(f"batch-{day}", uri)


def _by_year(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    years = sorted({row["TradeDate"].year for row in rows})
    return [[row for row in rows if row["TradeDate"].year == year] for year in years]


def _metrics(rows: Rows, sessions: Iterable[str]) -> dict[str, Any]:
    return {session: _session_metrics(rows, session) for session in sessions}


def _session_metrics(rows: Rows, session: str) -> dict[str, Any]:
    found = {
        table: [row for row in rows.get(table, ()) if str(row["TradeDate"]) == session]
        for table in PROCESSED_TABLES
    }
    valid, actions, bad = (len(found[table]) for table in PROCESSED_TABLES)
    return {
        "lines_read": valid + bad,
        "valid": valid,
        "corporate_actions": actions,
        "adj_close_unusable": 0,
        "quarantined": dict(Counter(row["Reason"] for row in found["quarantine"])),
        "bad_corporate_actions": 0,
        "without_bar": {},
        "superseded": {},
        "changes": {
            table: {"new": 0, "restated": 0, "withdrawn": 0, "unchanged": 0, "kept_earlier": 0}
            | Counter(row["Change"] for row in of_table)
            for table, of_table in found.items()
        },
    }


def race_to_append(root: str, name: str, count: int) -> list[int]:
    """Append to the log until it has a number of commits. Return the sequences that were ours."""
    won = []
    for sequence in range(count):
        commit = Commit("batch", sequence, name, known(sequence), (), ())
        try:
            commits.append(LakePaths(root), commit)
        except ConflictError:
            continue
        won.append(sequence)
    return won


def some_bits(content: bytes) -> list[int]:
    """The positions of 100 random bits."""
    return random.Random(1).sample(range(len(content) * 8), 100)  # noqa: S311


def flipped(content: bytes, bit: int) -> bytes:
    """The content with another value of one bit."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
