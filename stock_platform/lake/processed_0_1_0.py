"""The processed layer of version 0.1.0, for its migration: one object per session and table.

``processed/<table>/date=D/`` is what was processed last, with the metrics of the session in a
manifest. ``processed/loaded/<fact>/date=D/`` is a copy of what was loaded into the warehouse. They
differ if a blocking check failed, because it stopped the load.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from orjson import loads

from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.versions import FACT_SOURCES

_Result = TypeVar("_Result")
_FACTS: Final = {source: fact for fact, source in FACT_SOURCES.items()}
_REMEDY: Final = (
    "Restore it and run `stock-platform migrate` again, or process the session again from its raw "
    "prices"
)


@dataclass(frozen=True)
class OldSession:
    """A session of version 0.1.0.

    Attributes:
        manifest: of what was processed last; empty if the manifest is lost.
        processed: number of rows that were processed last, by table.
        rows: the loaded prices and actions, and the quarantined records.
        was_loaded: whether all tables with rows were loaded.
        is_unfinished: whether its last load did not finish, so that the rows may be older ones.
    """

    session: str
    manifest: Mapping[str, Any]
    processed: Mapping[ProcessedTable, int]
    rows: Mapping[ProcessedTable, pa.Table]
    was_loaded: bool
    is_unfinished: bool


def list_old_sessions(paths: LakePaths) -> list[str]:
    """Return every session that may have an object, ascending."""
    folders = [paths.processed_table("stock_prices")]
    folders += [paths.loaded_folder_0_1_0(fact) for fact in FACT_SOURCES]
    return sorted({session for folder in folders for session in files.list_sessions(folder)})


def read_old_session(paths: LakePaths, session: str) -> OldSession | None:
    """Return a session, or None if nothing was ever completed for it.

    Raises:
        CorruptObjectError: an object is damaged or missing.
    """
    rows = {
        table: _copy(paths, fact, session)
        for table, fact in _FACTS.items()
        if files.exists(paths.loaded_0_1_0(fact, session))
        or files.exists(paths.loaded_manifest_0_1_0(fact, session))
    }
    manifest_uri = paths.manifest_0_1_0(session)
    prices_uri = paths.processed_0_1_0("stock_prices", session)
    if not rows and not files.exists(manifest_uri) and not files.exists(prices_uri):
        return None
    try:
        manifest, processed = _parsed(manifest_uri, _counted)
    except CorruptObjectError:
        if not rows:
            raise
        manifest, processed = {}, dict.fromkeys(PROCESSED_TABLES, 0)
    missing = [fact for table, fact in _FACTS.items() if processed[table] and table not in rows]
    unfinished = [
        fact for fact in FACT_SOURCES if files.exists(paths.unfinished_load_0_1_0(fact, session))
    ]
    for fact in missing:
        if fact in unfinished:
            raise CorruptObjectError(
                f"{session}: the load of {fact} did not finish, and no copy of an earlier one "
                "exists. Process the session again"
            )
    if processed["quarantine"]:
        uri = paths.processed_0_1_0("quarantine", session)
        rows["quarantine"] = _rows(uri, processed["quarantine"])
    return OldSession(session, manifest, processed, rows, not missing, bool(unfinished))


def _copy(paths: LakePaths, fact: str, session: str) -> pa.Table:
    uri = paths.loaded_manifest_0_1_0(fact, session)
    expected, sha256 = _parsed(uri, lambda content: itemgetter("rows", "sha256")(loads(content)))
    return _rows(paths.loaded_0_1_0(fact, session), expected, sha256)


def _rows(uri: str, expected: int, sha256: str | None = None) -> pa.Table:
    def parse(content: bytes) -> pa.Table:
        if sha256 not in {None, hashlib.sha256(content).hexdigest()}:
            raise ValueError("it differs from the object that was loaded")
        rows = pq.read_table(pa.BufferReader(content))
        if rows.num_rows != expected:
            raise ValueError(f"it has {rows.num_rows} rows instead of {expected}")
        return rows

    return _parsed(uri, parse)


def _counted(content: bytes) -> tuple[dict[str, Any], dict[ProcessedTable, int]]:
    """Return a manifest with the number of rows by table."""
    manifest = loads(content)
    metrics = manifest["metrics"]
    return manifest, {
        "stock_prices": metrics["valid"],
        "corporate_actions": metrics["corporate_actions"],
        "quarantine": sum(metrics["quarantined"].values()) + metrics["bad_corporate_actions"],
    }


def _parsed(uri: str, parse: Callable[[bytes], _Result]) -> _Result:
    try:
        return parse(files.read(uri))
    # pyarrow's errors are of OSError or ValueError.
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise CorruptObjectError(
            f"{uri} is missing or cannot be read: {error!r}. {_REMEDY}"
        ) from error
