"""What happened since somebody last looked: each thing once, nothing left out.

A run is stored by one process, a tick by another, and neither is there at the moment that it bears.
So each look goes back a little behind the last one, and remembers by name what it found there.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Self, TypeVar

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from pydantic import BaseModel, ConfigDict

from stock_platform.observability.backfills import given_up_since
from stock_platform.observability.runs import ended_since, undecided
from stock_platform.observability.ticks import FailedTick, begun, failed_since

_Run = TypeVar("_Run")
# A tick is stored when it has ended, a minute after it began at the latest.
_OVERLAP: Final = timedelta(minutes=5)
# Storage compares moments by "later than".
_JUST_BEFORE: Final = timedelta(milliseconds=1)
_MOST_RUNS: Final = 500
# Dagster gives a tick a minute; a run of a year's range is read in a few seconds.
_PATIENCE_S: Final = 20


class Cursor(BaseModel):
    """How far somebody has looked.

    Attributes:
        since: where the next look begins.
        seen: names of what was seen after that moment.
        all_until: what ended before this moment was seen; earlier than `since` where a look did not
            get through, and the same where it is not given.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    seen: frozenset[str] = frozenset()
    all_until: datetime | None = None

    @classmethod
    def now(cls) -> Self:
        """From here on; what an old instance holds is no news."""
        return cls(since=datetime.now(UTC))


@dataclass(frozen=True)
class News(Generic[_Run]):
    """What happened, and where to look from the next time.

    Attributes:
        ticks: that failed.
        begun: those of them with which a sensor or schedule began to fail.
    """

    runs: tuple[_Run, ...]
    ticks: tuple[FailedTick, ...]
    begun: tuple[FailedTick, ...]
    cursor: Cursor


def news(
    instance: dg.DagsterInstance,
    cursor: Cursor,
    read: Callable[[dg.DagsterInstance, RunRecord], _Run],
) -> News[_Run]:
    """Runs that ended and ticks that failed.

    After a long silence the earliest runs come first, and the others with the next looks. A run
    that Dagster may start again comes when that is decided.

    Args:
        instance: whose storage is read.
        cursor: of the last look.
        read: what is wanted of a run.
    """
    until = max(datetime.now(UTC) - _OVERLAP, cursor.since)
    ticks = [*failed_since(instance, cursor.since), *given_up_since(instance, cursor.since)]
    told = {it.tick_id for it in ticks if _name(it) in cursor.seen}
    limit = _MOST_RUNS + len(cursor.seen)
    records = ended_since(instance, cursor.since, limit)
    decided = [it for it in records if not undecided(instance, it)]
    runs, looked_at = _read(instance, decided, cursor, read)
    names = {it.dagster_run.run_id for it in looked_at} | {_name(it) for it in ticks}
    all_read = len(looked_at) == len(decided)
    through = all_read and len(records) < limit
    reached = until
    if not through:
        names |= cursor.seen
        last = (records if all_read else looked_at)[-1]
        reached = min(until, last.update_timestamp.replace(tzinfo=UTC) - _JUST_BEFORE)
    return News(
        runs,
        tuple(it for it in ticks if it.tick_id not in told),
        tuple(begun(ticks, told)),
        Cursor(
            since=max(reached, cursor.since),
            seen=frozenset(names),
            all_until=until if through else cursor.all_until or cursor.since,
        ),
    )


def _read(
    instance: dg.DagsterInstance,
    records: Sequence[RunRecord],
    cursor: Cursor,
    read: Callable[[dg.DagsterInstance, RunRecord], _Run],
) -> tuple[tuple[_Run, ...], Sequence[RunRecord]]:
    """What is new of the runs, as far as patience goes, and the runs so far."""
    runs: list[_Run] = []
    deadline = time.monotonic() + _PATIENCE_S
    for count, record in enumerate(records, start=1):
        if not _is_new(record, cursor):
            continue
        runs.append(read(instance, record))
        if time.monotonic() > deadline:
            return tuple(runs), records[:count]
    return tuple(runs), records


def _name(tick: FailedTick) -> str:
    return f"tick {tick.tick_id}"


def _is_new(record: RunRecord, cursor: Cursor) -> bool:
    """Whether a run was not seen; Dagster moves the moment of an old one when it tags it."""
    all_until = (cursor.all_until or cursor.since).timestamp()
    old = record.end_time is not None and record.end_time <= all_until
    return not old and record.dagster_run.run_id not in cursor.seen
