"""Restore a lost warehouse from the lake.

Data that cannot be restored is named and left unchanged; everything else is restored. All
operations are idempotent.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT, Table
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results, files, load_ledger
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.load_ledger import LedgerEntry
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.publish import expected_rows, published_sessions, read_published
from stock_platform.warehouse.interface import Warehouse, WarehouseError

# Check results per load: BigQuery takes ten seconds per load, whatever its size.
_RESULTS_PER_LOAD: Final = 50_000


@dataclass(frozen=True)
class RestoreResult:
    """Result of restoring a table.

    Attributes:
        problems: one sentence per problem.
    """

    rows: int
    problems: Sequence[str]


def fact(
    paths: LakePaths,
    warehouse: Warehouse,
    table: Table,
    published: Mapping[str, int | None],
    sessions_per_load: int,
) -> RestoreResult:
    """Restore a fact table: each session as last loaded, including sessions without rows.

    Args:
        paths: paths of the lake.
        warehouse: the warehouse to restore.
        table: the fact table.
        published: rows of the table per published session; None if the manifest is unreadable.
        sessions_per_load: number of sessions to replace per transaction.
    """
    kept, rows = load_ledger.sessions(paths, table.name), 0
    unfinished = load_ledger.incomplete_loads(paths, table.name)
    problems = [
        *_unfinished(unfinished, kept),
        *_never_loaded(published, {*kept, *unfinished}),
        *_unrecognised(paths.loaded_folder(table.name)),
    ]
    loads = (
        _intact(paths, table, sessions, problems) for sessions in _chunks(kept, sessions_per_load)
    )
    for load in chain(loads, [dict.fromkeys(_empty(published, kept))]):
        try:
            rows += _replace(warehouse, table, load)
        except WarehouseError as error:
            problems.append(f"{min(load)} to {max(load)}: {error}")
    return RestoreResult(rows, sorted(problems))


def published_rows(paths: LakePaths, source: ProcessedTable) -> dict[str, int | None]:
    """Return the rows of a processed table per published session, according to the manifests."""

    def count(session: str) -> tuple[str, int | None]:
        try:
            metrics = read_published(paths, session).manifest["metrics"]
            return session, expected_rows(metrics)[source]
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return session, None

    return dict(files.map_concurrently(count, published_sessions(paths)))


def check_result_rows(paths: LakePaths, warehouse: Warehouse) -> RestoreResult:
    """Restore asset_check_result."""
    rows, waiting = 0, arrow_schema(ASSET_CHECK_RESULT).empty_table()
    problems = [*_unrecognised(paths.check_results_folder())]
    for day in check_results.days(paths):
        try:
            waiting = pa.concat_tables([waiting, check_results.read(paths, day)])
        except CorruptObjectError as error:
            problems.append(f"runs of {day}: {error}")
        if waiting.num_rows >= _RESULTS_PER_LOAD:
            rows += _load_results(warehouse, waiting)
            waiting = waiting.slice(0, 0)
    return RestoreResult(rows + _load_results(warehouse, waiting), problems)


def _load_results(warehouse: Warehouse, rows: pa.Table) -> int:
    if not rows.num_rows:
        return 0
    runs = pc.unique(rows["RunId"]).to_pylist()
    return warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", runs, rows).rows


def _read(paths: LakePaths, table: Table, session: str) -> LedgerEntry | CorruptObjectError:
    try:
        return load_ledger.read(paths, table.name, session)
    except CorruptObjectError as error:
        return error


def _intact(
    paths: LakePaths, table: Table, sessions: Sequence[str], problems: list[str]
) -> dict[str, LedgerEntry | None]:
    """Return the intact copies of sessions, and add damaged ones to the problems."""
    intact: dict[str, LedgerEntry | None] = {}
    for session, found in files.map_concurrently(
        lambda session: (session, _read(paths, table, session)), sessions
    ):
        if isinstance(found, LedgerEntry):
            intact[session] = found
        else:
            problems.append(f"{session}: {found}")
    return intact


def _replace(warehouse: Warehouse, table: Table, load: Mapping[str, LedgerEntry | None]) -> int:
    if not load:
        return 0
    objects = [loaded for loaded in load.values() if loaded]
    return warehouse.replace_sessions(
        table,
        [loaded.uri for loaded in objects],
        [date.fromisoformat(session) for session in load],
        expected_rows=sum(loaded.rows for loaded in objects),
    ).rows


def _empty(published: Mapping[str, int | None], kept: Sequence[str]) -> list[str]:
    """Return the sessions that were published without rows and have no copy."""
    return sorted(session for session in set(published) - set(kept) if published[session] == 0)


def _unfinished(unfinished: Sequence[str], kept: Collection[str]) -> Iterator[str]:
    for session in unfinished:
        done = "restored as of the load before" if session in kept else "not restored"
        yield f"{session}: {done}, because its last load did not finish. Materialize the session"


def _never_loaded(published: Mapping[str, int | None], begun: Collection[str]) -> Iterator[str]:
    for session in sorted(set(published) - set(begun)):
        rows = published[session]
        if rows is None:
            yield f"{session}: the session was published, but its manifest cannot be read"
        elif rows:
            yield (
                f"{session}: {rows} rows were published and never loaded, because of a failed "
                "check or an interrupted run. Materialize the session"
            )


def _unrecognised(folder: str) -> Iterator[str]:
    for uri in files.unrecognised_folders(folder):
        yield (
            f"{uri} is not named after a session and was not read: rename it to date=yyyy-mm-dd, "
            "or delete it"
        )


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[at : at + size] for at in range(0, len(items), size))
