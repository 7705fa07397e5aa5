"""Commit the processed layer of version 0.1.0 as versions: one batch per year.

Prices and corporate actions are those that were loaded into the warehouse. The old objects are left
alone and are not read afterwards. A session that is in a batch already is not migrated again, so a
migration that was killed is resumed by running it again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stock_platform.lake import commits, files, raw_runs, staging
from stock_platform.lake.commits import Commit, Part
from stock_platform.lake.compaction import ROW_GROUP
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.migrate_raw import (
    FETCHES_RUN,
    LEGACY,
    RECORDS_RUN,
    Securities,
    SecurityIds,
    UnmigratedError,
)
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import ProcessedState, part_uri, read_state
from stock_platform.lake.processed_0_1_0 import OldSession, list_old_sessions, read_old_session
from stock_platform.lake.versions import FACT_SOURCES, VERSION_SCHEMAS, rows_by_session
from stock_platform.lake.versions_0_1_0 import end_of, versions_of

# Of the id of a year's batch.
_MIGRATED: Final = "migrated-"
_NEVER_LOADED: Final = (
    "version 0.1.0 processed these sessions and did not load them, because of a failed check or an "
    "interrupted run"
)
_TICK: Final = timedelta(microseconds=1)
_ORDER: Final = ("SecurityId", "TradeDate", "ActionType", "Reason", "Record")

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
    for session in list_old_sessions(paths):
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
    result = ProcessedMigration()
    for fact in FACT_SOURCES:
        result.problems += files.unrecognised_folders(paths.loaded_folder_0_1_0(fact))
    for _, sessions in groupby(list_old_sessions(paths), key=lambda session: session[:4]):
        _migrate_year(paths, list(sessions), security_ids, result, dry_run=dry_run)
    return result


def _migrate_year(
    paths: LakePaths,
    sessions: Sequence[str],
    security_ids: SecurityIds,
    result: ProcessedMigration,
    *,
    dry_run: bool,
) -> None:
    state = read_state(paths)
    batched = set(state.sessions)
    listed = {session for commit in state.commits for session in commit.sessions}
    remaining = [session for session in sessions if session not in batched]
    year_id = f"{_MIGRATED}{sessions[0][:4]}"
    is_migrated = any(commit.batch_id == year_id for commit in state.batches)
    if is_migrated and not remaining:
        return
    found = _read(paths, remaining, result)
    refused = [old for old in found if not old.was_loaded and old.session not in listed]
    loaded = [old for old in found if old.was_loaded or old.rows.keys() - {"quarantine"}]
    batch_id = state.unused_id(year_id)
    versions = _versions(loaded, Securities(security_ids(sessions)), batch_id)
    result.sessions += len(loaded)
    result.never_loaded += len(refused)
    result.unfinished += [old.session for old in loaded if old.is_unfinished]
    for table, rows in versions.items():
        result.rows[table] += rows.num_rows
        result.unknown += pc.sum(pc.starts_with(rows["SecurityId"], LEGACY)).as_py() or 0
    if dry_run:
        return
    # The batch is last: it marks the year as migrated.
    if refused:
        known_from = end_of(refused[-1].session)
        metrics = {old.session: _metrics(old, old.processed) for old in refused}
        _append(paths, year_id, refused, known_from, metrics, reasons=(_NEVER_LOADED,))
    if loaded or not is_migrated:
        known_from, parts = _place(paths, batch_id, sessions[0], versions)
        counts = {table: rows_by_session(rows) for table, rows in versions.items()}
        metrics = {
            old.session: _metrics(
                old, {table: counts[table].get(old.session, 0) for table in PROCESSED_TABLES}
            )
            for old in loaded
        }
        _append(paths, batch_id, loaded, known_from, metrics, parts=parts)


def _read(
    paths: LakePaths, sessions: Sequence[str], result: ProcessedMigration
) -> list[OldSession]:
    def read(session: str) -> OldSession | None:
        try:
            return read_old_session(paths, session)
        except CorruptObjectError as error:
            result.problems.append(str(error))
            return None

    return [old for old in files.map_concurrently(read, sessions) if old]


def _versions(sessions: Iterable[OldSession], securities: Securities, batch_id: str) -> Versions:
    """Return the versions of all rows, sorted."""
    found = {table: [schema.empty_table()] for table, schema in VERSION_SCHEMAS.items()}
    for old in sessions:
        for table, rows in versions_of(old, securities, batch_id):
            found[table].append(rows)
    return {
        table: pa.concat_tables(tables).sort_by(
            [(name, "ascending") for name in _ORDER if name in VERSION_SCHEMAS[table].names]
        )
        for table, tables in found.items()
    }


def _place(
    paths: LakePaths, batch_id: str, session: str, versions: Versions
) -> tuple[datetime, tuple[Part, ...]]:
    """Write the parts of a year. Return the moment at which its versions are known, and them."""
    parts, moments = [], [end_of(f"{session[:4]}-01-01")]
    for table, rows in versions.items():
        if rows.num_rows:
            sink = pa.BufferOutputStream()
            pq.write_table(rows, sink, compression="zstd", row_group_size=ROW_GROUP)
            content = bytes(sink.getvalue())
            part = staging.describe_part(batch_id, table, rows, content)
            staging.place(part_uri(paths, part), content)
            parts.append(part)
            moments.append(pc.max(rows["KnownFrom"]).as_py())
    return max(moments), tuple(parts)


def _append(  # noqa: PLR0913 - the fields of a commit
    paths: LakePaths,
    batch_id: str,
    sessions: Sequence[OldSession],
    known_from: datetime,
    metrics: Mapping[str, Any],
    *,
    parts: tuple[Part, ...] = (),
    reasons: tuple[str, ...] = (),
) -> None:
    """Append a commit, with the raw runs into which its sessions were copied."""
    state = read_state(paths)
    names = tuple(old.session for old in sessions)
    runs = [
        run
        for run in raw_runs.runs_of(paths, names)
        if run.name.run_id in {RECORDS_RUN, FETCHES_RUN}
    ]
    earliest = [found.known_from + _TICK for found in state.commits[-1:]]
    commits.append(
        paths,
        Commit(
            kind="refused" if reasons else "batch",
            sequence=len(state.commits),
            batch_id=batch_id,
            known_from=max([known_from, *earliest]),
            runs=tuple(str(run.name) for run in runs),
            open_runs=tuple(state.open_runs(runs, names)),
            sessions=names,
            parts=parts,
            metrics=metrics,
            engine=", ".join(sorted({old.manifest["engine"] for old in sessions if old.manifest})),
            reasons=reasons,
        ),
    )


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
