"""The processed layer as its commits describe it: live parts, processed sessions, current rows.

Each row of a part is a version of a price, a corporate action or a quarantined record. The current
row of a key is its newest version, unless that one is withdrawn.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

import duckdb
import pyarrow as pa

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.contracts.versions import WITHDRAWN, with_versions
from stock_platform.lake import commits, files
from stock_platform.lake.commits import Commit, ConflictError, Part, read_commits
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.raw_runs import RawRun, RunName

# Each fact with the processed table that is its source.
FACT_SOURCES: Final[Mapping[str, ProcessedTable]] = {
    FACT_STOCK_PRICE.name: "stock_prices",
    FACT_CORPORATE_ACTION.name: "corporate_actions",
}
READ: Final = "read_parquet($uris, hive_partitioning = false)"

_PRICES: Final = arrow_schema(with_versions(FACT_STOCK_PRICE))
VERSION_SCHEMAS: Final[Mapping[ProcessedTable, pa.Schema]] = {
    "stock_prices": _PRICES,
    "corporate_actions": arrow_schema(with_versions(FACT_CORPORATE_ACTION)),
    "quarantine": pa.schema(
        [
            _PRICES.field("TradeDate"),
            _PRICES.field("SecurityId").with_nullable(nullable=True),
            _PRICES.field("Ticker").with_nullable(nullable=True),
            pa.field("Reason", pa.string(), nullable=False),
            pa.field("Record", pa.string(), nullable=False),
            *map(_PRICES.field, ("BatchId", "KnownFrom", "Change")),
        ]
    ),
}
VERSION_KEYS: Final[Mapping[ProcessedTable, tuple[str, ...]]] = {
    "stock_prices": ("SecurityId", "TradeDate"),
    "corporate_actions": ("SecurityId", "TradeDate", "ActionType"),
    "quarantine": ("TradeDate", "SecurityId", "Ticker", "Reason", "Record"),
}


class ProcessedState:
    """What all commits together say.

    Attributes:
        commits: all commits, in order.
        batches: those of batches that were not refused.
    """

    def __init__(self, commits: Sequence[Commit]) -> None:
        self.commits = list(commits)
        self.batches = [commit for commit in commits if commit.kind == "batch"]

    @property
    def base(self) -> int:
        """Sequence of the newest batch, on which the current rows depend. -1 if there is none."""
        return self.batches[-1].sequence if self.batches else -1

    @cached_property
    def _live(self) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for commit in self.commits:
            for name in commit.removed:
                found.pop(name, None)
            found.update({part.name: part for part in commit.parts})
        return found

    @cached_property
    def _owners(self) -> set[tuple[str, ProcessedTable, int]]:
        return {(part.owner, part.table, part.year) for part in self._live.values()}

    def was_compacted(self, part: Part, batch: Commit) -> bool:
        """Return whether the versions of a part of a batch are in a compacted part now."""
        return (batch.batch_id, part.table, part.year) not in self._owners

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all parts with these names are live."""
        return self._live.keys() >= set(names)

    @cached_property
    def sessions(self) -> list[str]:
        """All sessions of which all securities were processed, ascending."""
        return sorted(self._newest)

    @cached_property
    def _newest(self) -> dict[str, Commit]:
        return {
            session: commit
            for commit in self.batches
            if not commit.securities
            for session in commit.sessions
        }

    @cached_property
    def _sessions_by_run(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for commit in self.commits:
            for run in commit.runs:
                found[run].update(commit.sessions)
        return found

    @cached_property
    def _runs_by_session(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for commit in self.batches:
            for session in commit.sessions:
                found[session].update(commit.runs)
        return found

    @cached_property
    def _closed_runs(self) -> set[str]:
        """Runs of which every session was processed or refused."""
        found: set[str] = set()
        for commit in self.commits:
            found.update(commit.runs)
            found.difference_update(commit.open_runs)
        return found

    def newest(self, session: str) -> Commit | None:
        """Return the newest batch that processed all securities of a session, or None."""
        return self._newest.get(session)

    def current(self, batch_id: str, sessions: Iterable[str]) -> Commit | None:
        """Return the batch if no other one has processed any of its sessions since."""
        wanted = set(sessions)
        for commit in reversed(self.batches):
            if not wanted.isdisjoint(commit.sessions):
                is_same = commit.batch_id == batch_id or commit.batch_id.startswith(f"{batch_id}-")
                return commit if is_same else None
        return None

    def unused_id(self, batch_id: str) -> str:
        """Return the id of a new batch, which differs from those of all batches."""
        used = {commit.batch_id for commit in self.batches}
        return f"{batch_id}-{self.base}" if batch_id in used else batch_id

    def is_closed(self, run: RunName) -> bool:
        """Return whether every session of a run was processed or refused."""
        return str(run) in self._closed_runs

    def pending(self, run: RawRun) -> list[str]:
        """Return the sessions of a run that no batch has processed or refused, ascending."""
        done = self._sessions_by_run.get(str(run.name), set())
        return [session for session in run.sessions if session not in done]

    def open_runs(self, runs: Iterable[RawRun], sessions: Sequence[str]) -> Iterator[str]:
        """Yield the names of the runs that stay open if their sessions among these are closed."""
        for run in runs:
            if set(self.pending(run)).difference(sessions):
                yield str(run.name)

    def processed_runs(self, session: str) -> set[str]:
        """Return the names of the runs that a batch has read for a session."""
        return self._runs_by_session.get(session, set())

    def parts(self, table: ProcessedTable, sessions: Sequence[str] | None = None) -> list[Part]:
        """Return the live parts of a table that may have a row of one of the sessions.

        Args:
            table: the processed table.
            sessions: ascending; by default all.
        """
        found = [part for part in self._live.values() if part.table == table]
        if sessions is None:
            return found
        bounds: dict[int, tuple[str, str]] = {}
        for session in sessions:
            first, _ = bounds.get(int(session[:4]), (session, session))
            bounds[int(session[:4])] = (first, session)
        return [part for part in found if part.year in bounds and part.meets(*bounds[part.year])]


def read_state(paths: LakePaths) -> ProcessedState:
    """Read the log.

    Raises:
        CorruptObjectError: a commit is missing or was changed.
    """
    return ProcessedState(read_commits(paths))


def part_uri(paths: LakePaths, part: Part) -> str:
    """Return the URI of a part."""
    return f"{paths.processed_table(part.table)}/{part.path}"


def damage(paths: LakePaths, parts: Iterable[Part]) -> dict[Part, str]:
    """Compare the content of parts with their commits. Return one sentence per damaged part."""

    def compare(part: Part) -> tuple[Part, str]:
        uri = part_uri(paths, part)
        try:
            is_intact = hashlib.sha256(files.read(uri)).hexdigest() == part.sha256
        except FileNotFoundError:
            is_intact = False
        remedy = (
            f"{uri} is missing or was changed: run the job `rebuild_processed_prices`, which makes "
            "it again from the raw runs"
        )
        return part, "" if is_intact else remedy

    return {part: found for part, found in files.map_concurrently(compare, parts) if found}


def verify(paths: LakePaths, parts: Iterable[Part]) -> None:
    """Require that parts are as they were committed.

    Raises:
        CorruptObjectError: a part is missing or was changed.
    """
    for found in damage(paths, parts).values():
        raise CorruptObjectError(found)


def current_rows(
    paths: LakePaths,
    state: ProcessedState,
    table: ProcessedTable,
    sessions: Sequence[str],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return the current rows of some sessions, ordered by day and key.

    Args:
        paths: paths of the lake.
        state: the state to read.
        table: the processed table.
        sessions: ascending.
        columns: by default all.
    """
    parts = state.parts(table, sessions)
    names = columns or VERSION_SCHEMAS[table].names
    schema = pa.schema([VERSION_SCHEMAS[table].field(name) for name in names])
    if not parts:
        return schema.empty_table()
    key = ", ".join(VERSION_KEYS[table])
    # Names come from the schemas above.
    query = f"""
        SELECT {", ".join(names)} FROM (
          SELECT * FROM {READ}
          WHERE TradeDate IN (SELECT unnest($sessions)::DATE)
          QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY KnownFrom DESC) = 1
        ) AS newest
        WHERE Change <> '{WITHDRAWN}' ORDER BY TradeDate, {key}
    """  # noqa: S608
    uris = [part_uri(paths, part) for part in parts]
    return _query(query, uris, {"sessions": list(sessions)}).cast(schema)


def batch_rows(
    paths: LakePaths, state: ProcessedState, batch: Commit, table: ProcessedTable
) -> pa.Table:
    """Return the versions that a batch has written."""
    parts = state.parts(table, batch.sessions)
    schema = VERSION_SCHEMAS[table]
    if not parts or not batch.rows(table):
        return schema.empty_table()
    return _query(
        f"SELECT {', '.join(schema.names)} FROM {READ} WHERE BatchId = $batch_id",  # noqa: S608
        [part_uri(paths, part) for part in parts],
        {"batch_id": batch.batch_id},
    ).cast(schema)


def _query(sql: str, uris: Sequence[str], parameters: Mapping[str, object]) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files.register_with_duckdb(connection, uris)
        return connection.sql(sql, params={"uris": uris, **parameters}).to_arrow_table()


def rows_by_session(rows: pa.Table) -> dict[str, int]:
    """Return the number of rows per session."""
    counts = rows["TradeDate"].value_counts().to_pylist()
    return {count["values"].isoformat(): count["counts"] for count in counts}


def append_next(paths: LakePaths, build: Callable[[ProcessedState], Commit]) -> Commit:
    """Append a commit that is built for the newest state, again if another one came first.

    Raises:
        ConflictError: `build` raised it, because the commit can no longer follow.
    """
    while True:
        entry = build(read_state(paths))
        try:
            commits.append(paths, entry)
        except ConflictError:
            continue
        return entry
