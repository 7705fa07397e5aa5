"""Commit the processed layer of version 0.1.0 as versions: one batch per year.

Prices and corporate actions are those that were loaded into the warehouse. The old objects are left
alone and are not read afterwards. A session that is in a batch already is not migrated again, so a
migration that was killed is resumed by running it again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.lake import commits, files, raw_runs, staging
from stock_platform.lake.commits import Commit
from stock_platform.lake.compaction import ROW_GROUP
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.migrate_raw import (
    FETCHES_RUN,
    RECORDS_RUN,
    SecurityIds,
    UnmigratedError,
)
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import (
    ProcessedState,
    part_uri,
    read_state,
    rows_by_session,
)
from stock_platform.lake.processed_0_1_0 import OldLayer, OldSession
from stock_platform.lake.raw_runs import RawRun
from stock_platform.lake.versions_0_1_0 import VersionBuilder, end_of

# Of the id of a year's batch.
_MIGRATED: Final = "migrated-"
_NEVER_LOADED: Final = (
    "version 0.1.0 processed these sessions and did not load them, because of a failed check or an "
    "interrupted run"
)
_TICK: Final = timedelta(microseconds=1)

Versions = Mapping[ProcessedTable, pa.Table]


@dataclass
class ProcessedMigration:
    """Result of migrating the processed layer.

    Attributes:
        sessions: number of sessions in batches.
        rows: number of rows in them, by table.
        never_loaded: number of sessions in refused batches.
        unfinished: the sessions whose last load did not finish, so that an older one was migrated.
        unknown: number of rows of a security that the ERP does not know.
        problems: one sentence per session that could not be migrated.
    """

    sessions: int = 0
    rows: Counter[ProcessedTable] = field(default_factory=Counter)
    never_loaded: int = 0
    unfinished: list[str] = field(default_factory=list)
    unknown: int = 0
    problems: list[str] = field(default_factory=list)


def require_migrated_lake(paths: LakePaths, state: ProcessedState) -> None:
    """Reject a lake with processed sessions of version 0.1.0 that were not migrated.

    Raises:
        UnmigratedError: there are such sessions. The message contains the remedy.
    """
    migrated = {
        commit.batch_id.removeprefix(_MIGRATED)[:4]
        for commit in state.batches
        if commit.batch_id.startswith(_MIGRATED)
    }
    for session in OldLayer(paths).sessions:
        if session[:4] not in migrated:
            raise UnmigratedError(
                f"the lake has processed sessions of version 0.1.0 ({session}): run "
                "`stock-platform migrate` (docs/upgrades.md)"
            )


def migrate_processed(
    paths: LakePaths, security_ids: SecurityIds, *, dry_run: bool
) -> ProcessedMigration:
    """Commit the sessions that are in no batch, one year at a time.

    A row gets the id of its security, or ``legacy:MIC:SYMBOL`` if the ERP does not know it.
    Sessions that were never loaded are refused. Damaged ones stay pending.
    """
    layer = OldLayer(paths)
    result = ProcessedMigration(problems=layer.unrecognised())
    for year, sessions in groupby(layer.sessions, key=lambda session: session[:4]):
        _Year(layer, year, security_ids, result).migrate(list(sessions), dry_run=dry_run)
    return result


@dataclass(frozen=True)
class _Year:
    layer: OldLayer
    year: str
    security_ids: SecurityIds
    result: ProcessedMigration

    def migrate(self, sessions: Sequence[str], *, dry_run: bool) -> None:
        state = read_state(self.layer.paths)
        batched = set(state.sessions)
        listed = {session for commit in state.commits for session in commit.sessions}
        remaining = [session for session in sessions if session not in batched]
        batch_id = f"{_MIGRATED}{self.year}"
        is_migrated = any(commit.batch_id == batch_id for commit in state.batches)
        if is_migrated and not remaining:
            return
        found = self._read(remaining)
        refused = [old for old in found if old.never_loaded and old.session not in listed]
        loaded = [old for old in found if old.rows.keys() - {"quarantine"} or not old.never_loaded]
        builder = VersionBuilder(self.security_ids(sessions), state.unused_id(batch_id))
        versions = builder.build(loaded)
        self._count(loaded, refused, versions, builder.unknown)
        if dry_run:
            return
        # The batch is last: it marks the year as migrated.
        if refused:
            self._refuse(refused)
        if loaded or not is_migrated:
            self._commit(state.unused_id(batch_id), loaded, versions)

    def _read(self, sessions: Sequence[str]) -> list[OldSession]:
        def read(session: str) -> OldSession | CorruptObjectError | None:
            try:
                return self.layer.read(session)
            except CorruptObjectError as error:
                return error

        found = list(files.map_concurrently(read, sessions))
        self.result.problems += [str(old) for old in found if isinstance(old, CorruptObjectError)]
        return [old for old in found if isinstance(old, OldSession)]

    def _count(
        self,
        loaded: Sequence[OldSession],
        refused: Sequence[OldSession],
        versions: Versions,
        unknown: int,
    ) -> None:
        self.result.sessions += len(loaded)
        self.result.never_loaded += len(refused)
        self.result.unfinished += [old.session for old in loaded if old.is_unfinished]
        self.result.rows.update({table: rows.num_rows for table, rows in versions.items()})
        self.result.unknown += unknown

    def _refuse(self, refused: Sequence[OldSession]) -> None:
        _append(
            self.layer.paths,
            Commit(
                kind="refused",
                sequence=0,
                batch_id=f"{_MIGRATED}{self.year}",
                known_from=end_of(refused[-1].session),
                runs=(),
                sessions=tuple(old.session for old in refused),
                metrics={old.session: _metrics(old, old.processed_rows) for old in refused},
                engine=_engines(refused),
                reasons=(_NEVER_LOADED,),
            ),
        )

    def _commit(self, batch_id: str, loaded: Sequence[OldSession], versions: Versions) -> None:
        parts, moments = [], [end_of(f"{self.year}-01-01")]
        for table, rows in versions.items():
            if rows.num_rows:
                content = _parquet(rows)
                part = staging.describe_part(batch_id, table, rows, content)
                staging.place(part_uri(self.layer.paths, part), content)
                parts.append(part)
                moments.append(pc.max(rows["KnownFrom"]).as_py())
        counts = {table: rows_by_session(rows) for table, rows in versions.items()}
        metrics = {
            old.session: _metrics(
                old, {table: counts[table].get(old.session, 0) for table in PROCESSED_TABLES}
            )
            for old in loaded
        }
        _append(
            self.layer.paths,
            Commit(
                kind="batch",
                sequence=0,
                batch_id=batch_id,
                known_from=max(moments),
                runs=(),
                sessions=tuple(old.session for old in loaded),
                parts=tuple(parts),
                metrics=metrics,
                engine=_engines(loaded),
            ),
        )


def _append(paths: LakePaths, commit: Commit) -> None:
    """Append a commit with its place in the log, and with the raw runs of its sessions."""
    state = read_state(paths)
    runs = _migrated_runs(paths, commit.sessions)
    earliest = [found.known_from + _TICK for found in state.commits[-1:]]
    placed = replace(
        commit,
        sequence=len(state.commits),
        known_from=max([commit.known_from, *earliest]),
        runs=tuple(str(run.name) for run in runs),
        open_runs=tuple(state.open_runs(runs, commit.sessions)),
    )
    commits.append(paths, placed)


def _engines(sessions: Iterable[OldSession]) -> str:
    return ", ".join(sorted({old.manifest["engine"] for old in sessions if old.manifest}))


def _migrated_runs(paths: LakePaths, sessions: Sequence[str]) -> list[RawRun]:
    """Return the runs into which the raw prices of some sessions were copied."""
    names = [
        name
        for name in raw_runs.run_names(paths)
        if name.run_id in {RECORDS_RUN, FETCHES_RUN} and name.overlaps(sessions)
    ]
    found = [raw_runs.read_run(paths, name) for name in names]
    return [run for run in found if run and not set(sessions).isdisjoint(run.sessions)]


def _metrics(old: OldSession, rows: Mapping[ProcessedTable, int]) -> dict[str, Any]:
    """Return the metrics of a session as the Spark job measures them today."""
    of_rows = {
        "lines_read": rows["stock_prices"],
        "valid": rows["stock_prices"],
        "corporate_actions": rows["corporate_actions"],
        "adj_close_unusable": 0,
        "quarantined": {},
        "bad_corporate_actions": 0,
        "without_bar": {},
        "superseded": {},
    }
    unchanged = dict.fromkeys(("restated", "withdrawn", "unchanged", "kept_earlier"), 0)
    changes = {table: {"new": rows[table], **unchanged} for table in PROCESSED_TABLES}
    return {**of_rows, **old.manifest.get("metrics", {}), "changes": changes}


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", row_group_size=ROW_GROUP)
    return bytes(sink.getvalue())
