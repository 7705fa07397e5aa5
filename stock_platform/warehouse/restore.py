"""A warehouse that was lost, from what the lake keeps; by the verbs of every load.

What cannot be restored is named and left as it is; the rest is restored all the same. All of it
may be repeated.
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
from stock_platform.lake import check_results, files, loaded
from stock_platform.lake.loaded import DamagedError, Loaded
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.publish import expected_rows, published_sessions, read_published
from stock_platform.warehouse.port import Warehouse, WarehouseError

# Verdicts of a load: BigQuery takes its ten seconds for any number of them.
_VERDICTS_A_LOAD: Final = 50_000


@dataclass(frozen=True)
class Restored:
    """What was restored of a table.

    Attributes:
        problems: what was not, a sentence each.
    """

    rows: int
    problems: Sequence[str]


def fact(
    paths: LakePaths,
    warehouse: Warehouse,
    table: Table,
    published: Mapping[str, int | None],
    sessions_a_load: int,
) -> Restored:
    """Restore a fact table: each session as it was loaded last, those without a row included.

    Args:
        paths: of the lake.
        warehouse: to restore.
        table: of the warehouse.
        published: how many rows of the table each published session has; None where its manifest
            cannot be read.
        sessions_a_load: how many sessions are replaced in one transaction.
    """
    kept, rows = loaded.sessions(paths, table.name), 0
    unfinished = loaded.unfinished(paths, table.name)
    problems = [
        *_unfinished(unfinished, kept),
        *_never_loaded(published, {*kept, *unfinished}),
        *_strangers(paths.loaded_folder(table.name)),
    ]
    loads = (_whole(paths, table, it, problems) for it in _parts(kept, sessions_a_load))
    for load in chain(loads, [dict.fromkeys(_empty(published, kept))]):
        try:
            rows += _replace(warehouse, table, load)
        except WarehouseError as error:
            problems.append(f"{min(load)} to {max(load)}: {error}")
    return Restored(rows, sorted(problems))


def published_rows(paths: LakePaths, source: ProcessedTable) -> dict[str, int | None]:
    """How many rows of a processed table each published session has, by its manifest."""

    def count(session: str) -> tuple[str, int | None]:
        try:
            metrics = read_published(paths, session).manifest["metrics"]
            return session, expected_rows(metrics)[source]
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return session, None

    return dict(files.each(count, published_sessions(paths)))


def verdicts(paths: LakePaths, warehouse: Warehouse) -> Restored:
    """Restore asset_check_result."""
    rows, waiting = 0, arrow_schema(ASSET_CHECK_RESULT).empty_table()
    problems = [*_strangers(paths.check_results_folder())]
    for day in check_results.days(paths):
        try:
            waiting = pa.concat_tables([waiting, check_results.read(paths, day)])
        except DamagedError as error:
            problems.append(f"runs of {day}: {error}")
        if waiting.num_rows >= _VERDICTS_A_LOAD:
            rows += _load_verdicts(warehouse, waiting)
            waiting = waiting.slice(0, 0)
    return Restored(rows + _load_verdicts(warehouse, waiting), problems)


def _load_verdicts(warehouse: Warehouse, rows: pa.Table) -> int:
    if not rows.num_rows:
        return 0
    runs = pc.unique(rows["RunId"]).to_pylist()
    return warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", runs, rows).rows


def _read(paths: LakePaths, table: Table, session: str) -> Loaded | DamagedError:
    try:
        return loaded.read(paths, table.name, session)
    except DamagedError as error:
        return error


def _whole(
    paths: LakePaths, table: Table, sessions: Sequence[str], problems: list[str]
) -> dict[str, Loaded | None]:
    """What is kept of sessions, without those that are damaged; these become problems."""
    whole: dict[str, Loaded | None] = {}
    for session, found in files.each(lambda it: (it, _read(paths, table, it)), sessions):
        if isinstance(found, Loaded):
            whole[session] = found
        else:
            problems.append(f"{session}: {found}")
    return whole


def _replace(warehouse: Warehouse, table: Table, load: Mapping[str, Loaded | None]) -> int:
    if not load:
        return 0
    objects = [it for it in load.values() if it]
    return warehouse.replace_sessions(
        table,
        [it.uri for it in objects],
        [date.fromisoformat(session) for session in load],
        expected_rows=sum(it.rows for it in objects),
    ).rows


def _empty(published: Mapping[str, int | None], kept: Sequence[str]) -> list[str]:
    """The sessions that were published without a row, and of which none was kept."""
    return sorted(session for session in set(published) - set(kept) if published[session] == 0)


def _unfinished(unfinished: Sequence[str], kept: Collection[str]) -> Iterator[str]:
    for session in unfinished:
        done = "restored as the load before left it" if session in kept else "not restored"
        yield f"{session}: {done}; its last load did not tell its end. Materialize the session"


def _never_loaded(published: Mapping[str, int | None], begun: Collection[str]) -> Iterator[str]:
    for session in sorted(set(published) - set(begun)):
        rows = published[session]
        if rows is None:
            yield f"{session}: it was published, and its manifest cannot be read"
        elif rows:
            yield (
                f"{session}: {rows} rows were published and never loaded. A check stopped them, "
                "or their run ended before: materialize the session"
            )


def _strangers(folder: str) -> Iterator[str]:
    for uri in files.strangers_in(folder):
        yield (
            f"{uri} names no session and was not read: give it the name date=yyyy-mm-dd "
            "of what it holds, or remove it"
        )


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[at : at + size] for at in range(0, len(items), size))
