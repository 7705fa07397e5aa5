"""Loads of the warehouse: batches that the lake has committed and the facts do not contain yet."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from stock_platform.lake.commits import Commit, Part
from stock_platform.lake.migrate_processed import require_migrated_lake
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import ProcessedState, damage, part_uri
from stock_platform.lake.versions import FACT_SOURCES
from stock_platform.warehouse.interface import (
    FACTS,
    Load,
    VersionLoad,
    Warehouse,
    WarehouseError,
)

_LEFT_OUT: Final = (
    "an earlier load left it out, because a part was damaged: once the lake is intact, run "
    "`make rebuild-warehouse`"
)
# DuckDB stages a load in memory: about 150 bytes per row, and as much to verify its keys.
_MAX_ROWS_PER_LOAD: Final = 600_000


@dataclass(frozen=True)
class Applied:
    """Result of a load.

    Attributes:
        batches: ids of the applied batches, in order.
        sessions: their sessions, ascending.
        loads: the load of each fact by name; none if nothing was pending.
        skipped: batches that could not be applied, with a reason each.
    """

    batches: Sequence[str] = ()
    sessions: Sequence[str] = ()
    loads: Mapping[str, Load] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


def apply_pending(
    paths: LakePaths, warehouse: Warehouse, state: ProcessedState, *, rebuild: bool = False
) -> Applied:
    """Apply all batches that the facts do not contain, in one transaction.

    A batch with a damaged part is skipped. It stays skipped when the part is intact again, because
    later batches may have replaced its values: only a rebuild applies it.

    Args:
        paths: paths of the lake.
        warehouse: the warehouse, with or without tables.
        state: the lake's batches.
        rebuild: whether to apply all batches to empty facts.

    Raises:
        WarehouseError: the facts contain a batch that the lake does not have, or the warehouse
            rejected the load. Nothing was changed.
    """
    require_migrated_lake(paths, state)
    warehouse.create_tables()
    applied = warehouse.applied_batches()
    _require_known(applied, state.batches)
    newest = -1 if rebuild else max(applied.values(), default=-1)
    unapplied = [batch for batch in state.batches if rebuild or batch.batch_id not in applied]
    skipped = {
        **{batch.batch_id: _LEFT_OUT for batch in unapplied if batch.sequence < newest},
        **_damaged(paths, state, [batch for batch in unapplied if batch.sequence > newest]),
    }
    if lost := [batch_id for batch_id in skipped if rebuild and batch_id in applied]:
        raise WarehouseError(
            f"batch {lost[0]} would be lost: {skipped[lost[0]]}. Nothing was changed"
        )
    pending = [batch for batch in unapplied if batch.batch_id not in skipped]
    if not pending and not (rebuild and applied):
        return Applied(skipped=skipped)
    loads = warehouse.apply(_loads(paths, state, pending), pending, rebuild=rebuild)
    sessions = {session for batch in pending for session in batch.sessions}
    return Applied([batch.batch_id for batch in pending], sorted(sessions), loads, skipped)


def _damaged(
    paths: LakePaths, state: ProcessedState, batches: Sequence[Commit]
) -> Mapping[str, str]:
    """Return the batches with a row in a damaged part, and the damage."""
    reasons = damage(paths, _live_parts(state, batches))
    return {
        batch.batch_id: reasons[part]
        for batch in batches
        for own in batch.parts
        for part in state.holders(own)
        if part in reasons
    }


def _live_parts(state: ProcessedState, batches: Iterable[Commit]) -> set[Part]:
    """Return the live parts of the facts that may have a row of the batches."""
    sources = FACT_SOURCES.values()
    committed = [part for batch in batches for part in batch.parts if part.table in sources]
    return {part for own in committed for part in state.holders(own)}


def _require_known(applied: Mapping[str, int], batches: Sequence[Commit]) -> None:
    """Require that the lake has every applied batch, in the same place."""
    sequences = {batch.batch_id: batch.sequence for batch in batches}
    for batch_id, sequence in applied.items():
        if sequences.get(batch_id) != sequence:
            found = (
                f"has it as {sequences[batch_id]}" if batch_id in sequences else "does not have it"
            )
            raise WarehouseError(
                f"load_log contains batch {batch_id} as commit {sequence}, but the lake {found}: "
                "restore the lake's commits, or delete the batch's row of load_log to lose its "
                "prices, then run `make rebuild-warehouse`"
            )


def _loads(
    paths: LakePaths, state: ProcessedState, pending: Sequence[Commit]
) -> Iterator[VersionLoad]:
    """Yield loads of whole years, because all versions of a key must be in one load."""
    live = sorted(_live_parts(state, pending), key=lambda part: part.name)
    for fact in FACTS:
        source = FACT_SOURCES[fact.name]
        committed = [part for batch in pending for part in batch.parts if part.table == source]
        for years in _slices(committed):
            parts = [part for part in live if part.table == source and part.year in years]
            rows = [part for part in committed if part.year in years]
            yield VersionLoad(
                fact,
                [part_uri(paths, part) for part in parts],
                rows=sum(part.rows for part in rows),
                first=date.fromisoformat(min(part.first_date for part in rows)),
                last=date.fromisoformat(max(part.last_date for part in rows)),
            )


def _slices(parts: Sequence[Part]) -> Iterator[set[int]]:
    """Group the years of parts, so that no group but a single year has too many rows."""
    years: set[int] = set()
    rows = 0
    by_year = Counter[int]()
    for part in parts:
        by_year[part.year] += part.rows
    for year, added in sorted(by_year.items()):
        if years and rows + added > _MAX_ROWS_PER_LOAD:
            yield years
            years, rows = set(), 0
        years.add(year)
        rows += added
    if years:
        yield years
