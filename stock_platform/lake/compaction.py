"""Maintenance of the processed layer: fewer parts per year, and no objects that nothing lists.

Many small parts make reading slow: 250 nights leave 250 parts per table and year. A compaction
writes one sorted part in their place. No version is lost, and their ids of batches stay.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pyarrow.parquet as pq

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.commits import COMPACTION, Commit, Part
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths
from stock_platform.lake.processed import part_uri, read_state, replace_parts, verify
from stock_platform.lake.staging import describe_part, place
from stock_platform.lake.versions import READ

# A year is compacted when it has this many parts: about a week of nights.
_MIN_PARTS: Final = 8
# Rows per row group: 50 securities of a year, so that one can be read without most of the others.
ROW_GROUP: Final = 12_600
# A batch runs for hours at most, so an object that no commit lists by then is left over.
_ABANDONED_AFTER: Final = timedelta(days=7)


class CompactionError(StockPlatformError):
    """A compacted part does not have the versions of the parts that it replaces."""


def compact(paths: LakePaths, now: datetime) -> Commit | None:
    """Replace the parts of each year that has many. Return the commit, or None if none has.

    Raises:
        ConflictError: another compaction was committed meanwhile.
        CorruptObjectError: a part was changed.
    """
    state = read_state(paths)
    owner = f"{COMPACTION}{len(state.commits)}"
    added: list[Part] = []
    removed: list[Part] = []
    for parts in state.parts_by_year():
        if len(parts) >= _MIN_PARTS:
            added.append(_compact(paths, owner, parts))
            removed += parts
    if not added:
        return None
    return replace_parts(paths, owner, removed, added, now)


def sweep(paths: LakePaths, now: datetime) -> list[str]:
    """Delete parts and staging prefixes that nothing lists, seven days after they were written."""
    state = read_state(paths)
    listed = {part.name for part in state.parts()}
    # A load may be reading what was replaced just now.
    for commit in state.commits:
        if commit.known_from > now - _ABANDONED_AFTER:
            listed.update(commit.removed)
    folders = [paths.staging_folder()]
    for table in map(paths.processed_table, PROCESSED_TABLES):
        years = [name for name in files.list_names(table) if name.startswith("year=")]
        folders += [f"{table}/{year}" for year in years]
    unlisted = [
        uri
        for folder in folders
        for uri in _old_objects(folder, now)
        if "/".join(uri.split("/")[-3:]) not in listed
    ]
    for uri in unlisted:
        files.delete(uri)
    return unlisted


def _compact(paths: LakePaths, owner: str, parts: Sequence[Part]) -> Part:
    verify(paths, parts)
    table = parts[0].table
    uris = [part_uri(paths, part) for part in parts]
    order = "TradeDate, SecurityId" if table == "quarantine" else "SecurityId, TradeDate"
    # Proof that no version is lost.
    counts = f"SELECT BatchId, COUNT(*), SUM(HASH(COLUMNS(*))) FROM {READ} GROUP BY 1 ORDER BY 1"  # noqa: S608
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files.register_with_duckdb(connection, uris)
        file = Path(folder) / "part.parquet"
        connection.execute(
            f"COPY (SELECT * FROM {READ} ORDER BY {order}, KnownFrom) TO '{file}' "  # noqa: S608
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})",
            {"uris": uris},
        )
        before = connection.execute(counts, {"uris": uris}).fetchall()
        after = connection.execute(counts, {"uris": [str(file)]}).fetchall()
        if before != after:
            raise CompactionError(f"{table} of {parts[0].year}: versions would be lost")
        content = file.read_bytes()
        days = pq.read_table(file, columns=["TradeDate"])
    part = describe_part(owner, table, days, content)
    place(part_uri(paths, part), content)
    return part


def _old_objects(folder: str, now: datetime) -> Iterator[str]:
    fs, path = files.filesystem(folder)
    for found in fs.find(path):
        if fs.modified(found).astimezone(UTC) < now - _ABANDONED_AFTER:
            yield fs.unstrip_protocol(found)
