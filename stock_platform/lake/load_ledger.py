"""Ledger of loads: copies of everything loaded into the fact tables, to restore a warehouse.

The published objects of a session may be newer than its rows in the warehouse, because a blocking
check can stop a load after publication. So each load copies the objects that it loaded.

The copy is made after the warehouse's commit, so that rejected data is never kept. A marker that
is written before the load identifies loads that died in between.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths

# A session with one of them was loaded, though the other may be lost.
_OBJECTS: Final = ("part-00000.parquet", "_manifest.json")
# In the manifest of a copy that `lake.migrate` is changing: digest of the object before.
EARLIER_DIGEST: Final = "sha256_before_migration"


@dataclass(frozen=True)
class LedgerEntry:
    """The object that was loaded into a fact table for a session."""

    uri: str
    rows: int


def mark_started(paths: LakePaths, table: str, sessions: Iterable[str]) -> None:
    """Mark the sessions of a load as started, before the warehouse is changed."""
    list(
        files.map_concurrently(
            lambda session: files.write(paths.incomplete_load(table, session), b""), sessions
        )
    )


def incomplete_loads(paths: LakePaths, table: str) -> list[str]:
    """Return the sessions whose last load may not have been committed, ascending."""
    return files.list_sessions(paths.incomplete_loads(table))


def record_load(
    paths: LakePaths, table: str, uris: Mapping[str, str], rows: Mapping[str, int]
) -> None:
    """Copy the loaded objects and delete the markers. Idempotent.

    Args:
        paths: paths of the lake.
        table: the fact table.
        uris: Parquet object per session, for sessions that have one.
        rows: number of rows per replaced session.
    """

    def record_one(session: str) -> None:
        if session in uris:
            content = files.read(uris[session])
            files.write(paths.loaded(table, session), content)
            manifest = {"rows": rows[session], "sha256": hashlib.sha256(content).hexdigest()}
            files.write(paths.loaded_manifest(table, session), orjson.dumps(manifest))
        else:
            files.delete(paths.loaded_session(table, session))
        files.delete(paths.incomplete_load(table, session))

    list(files.map_concurrently(record_one, rows))


def sessions(paths: LakePaths, table: str) -> list[str]:
    """Return the sessions with a copy, ascending."""
    return files.list_sessions_with(paths.loaded_folder(table), *_OBJECTS)


def read(paths: LakePaths, table: str, session: str) -> LedgerEntry:
    """Return the verified copy of a session.

    Raises:
        CorruptObjectError: the copy is incomplete, or differs from the loaded object.
    """
    uri = paths.loaded(table, session)
    try:
        manifest = orjson.loads(files.read(paths.loaded_manifest(table, session)))
        rows, digest = int(manifest["rows"]), manifest["sha256"]
        content = files.read(uri)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CorruptObjectError(
            f"an object of {paths.loaded_session(table, session)} is missing"
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(
            f"{paths.loaded_manifest(table, session)} cannot be read"
        ) from error
    actual_digest = hashlib.sha256(content).hexdigest()
    if actual_digest == manifest.get(EARLIER_DIGEST):
        raise CorruptObjectError(
            f"the migration of {uri} was interrupted: run `stock-platform migrate` again"
        )
    if actual_digest != digest:
        raise CorruptObjectError(f"{uri} differs from the object that was loaded")
    if pq.read_metadata(pa.BufferReader(content)).num_rows != rows:
        raise CorruptObjectError(
            f"{paths.loaded_manifest(table, session)} contains another number of rows"
        )
    return LedgerEntry(uri, rows)
