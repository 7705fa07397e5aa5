"""Repair of the processed layer: which parts are damaged, and which batches must be run again."""

from collections.abc import Iterable
from datetime import datetime

from stock_platform.lake.commits import Commit, ConflictError, Part
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths
from stock_platform.lake.processed import ProcessedState, append_next, damage


def damaged_parts(paths: LakePaths, state: ProcessedState) -> list[Part]:
    """Return the live parts that are missing or were changed."""
    return list(damage(paths, [part for table in PROCESSED_TABLES for part in state.parts(table)]))


def lost_parts(batch: Commit, damaged: Iterable[Part], state: ProcessedState) -> list[Part]:
    """Return the parts of a batch, as committed, whose rows are in damaged parts now."""
    compacted = {(part.table, part.year) for part in damaged if part.is_compacted}
    own = {(part.table, part.year) for part in damaged if part.owner == batch.batch_id}
    return [
        part
        for part in batch.parts
        if (part.table, part.year) in own
        or ((part.table, part.year) in compacted and state.was_compacted(part, batch))
    ]


def replace_parts(
    paths: LakePaths, owner: str, removed: Iterable[Part], added: Iterable[Part], now: datetime
) -> Commit:
    """Commit that parts replace others with the same versions. Batches may commit meanwhile.

    Raises:
        ConflictError: another replacement of the same parts was committed meanwhile.
    """
    names, parts = tuple(part.name for part in removed), tuple(added)

    def build(state: ProcessedState) -> Commit:
        if not state.has(names):
            raise ConflictError("the same parts were replaced meanwhile")
        return Commit(
            kind="compaction",
            sequence=len(state.commits),
            batch_id=owner,
            known_from=now,
            runs=(),
            sessions=(),
            parts=parts,
            removed=names,
        )

    return append_next(paths, build)
