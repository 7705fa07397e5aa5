"""Copy the raw prices of version 0.1.0, one object per session, into raw runs: one or two per year.

The old objects are left alone and are not read afterwards. A run that exists already is not written
again, so a migration that was killed is resumed by running it again.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import orjson

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files, raw_run_writer, raw_runs
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_run_writer import RawRunWriter
from stock_platform.lake.raw_runs import RunName

# Returns the ids of securities for some sessions, by exchange, symbol and session.
SecurityIds = Callable[[Sequence[str]], Mapping[tuple[str, str, str], str]]
# Begins the id of a security that the ERP does not know.
LEGACY: Final = "legacy:"
_Line = dict[str, Any] | bytes

# In place of the ids of Dagster runs: the records, and the last fetches that left them unchanged.
RECORDS_RUN: Final = "version-0.1.0-records"
FETCHES_RUN: Final = "version-0.1.0-fetches"


class UnmigratedError(StockPlatformError):
    """The lake has data of an earlier version, which must be migrated first."""


class Securities:
    """The securities that the ERP knows in some sessions.

    Args:
        ids: their ids, by exchange, symbol and session.
    """

    def __init__(self, ids: Mapping[tuple[str, str, str], str]) -> None:
        self._ids = ids
        self._exchanges: dict[str, set[str]] = defaultdict(set)
        for exchange, symbol, _ in ids:
            self._exchanges[symbol].add(exchange)

    def id_of(self, exchange: str, symbol: str, session: str) -> str:
        """Return the id of a security. Without an exchange, that of the only one with the symbol.

        A security that the ERP does not know gets the id ``legacy:MIC:SYMBOL``.
        """
        if not exchange and len(self._exchanges[symbol]) == 1:
            (exchange,) = self._exchanges[symbol]
        return self._ids.get((exchange, symbol, session)) or f"{LEGACY}{exchange}:{symbol}"


@dataclass
class RawMigration:
    """Result of copying raw prices.

    Attributes:
        sessions: number of copied sessions.
        unknown: number of records of a security that the ERP does not know.
        problems: one sentence per session that could not be copied.
    """

    sessions: int = 0
    unknown: int = 0
    problems: list[str] = field(default_factory=list)


def unmigrated_sessions(paths: LakePaths) -> list[str]:
    """Return the sessions with a folder of version 0.1.0 that are in no raw run, ascending."""
    old = files.list_sessions(paths.raw_runs_folder())
    if not old:
        return []
    names = [name for name in raw_runs.run_names(paths) if name.run_id == RECORDS_RUN]
    runs = files.map_concurrently(lambda name: raw_runs.read_run(paths, name), names)
    copied = {session for run in runs if run is not None for session in run.sessions}
    return [session for session in old if session not in copied]


def migrate_raw_prices(
    paths: LakePaths, security_ids: SecurityIds, *, dry_run: bool
) -> RawMigration:
    """Copy the sessions that are in no raw run, one at a time.

    A record gets the id of its security, or ``legacy:MIC:SYMBOL`` if the ERP does not know it.
    """
    result = RawMigration()
    for _, sessions in groupby(unmigrated_sessions(paths), key=lambda session: session[:4]):
        _migrate_year(paths, list(sessions), security_ids, result, dry_run=dry_run)
    return result


def _migrate_year(
    paths: LakePaths,
    sessions: Sequence[str],
    security_ids: SecurityIds,
    result: RawMigration,
    *,
    dry_run: bool,
) -> None:
    securities = Securities(security_ids(sessions))
    copy = _Copy(paths, sessions[0], sessions[-1])
    for session in sessions:
        try:
            lines = _lines(paths, session)
            fetches = list(_last_fetches(paths, session, lines))
        except CorruptObjectError as error:
            result.problems.append(str(error))
            continue
        for line in [*lines, *fetches]:
            if isinstance(line, dict):
                exchange = str(line.get("exchange"))
                line["security_id"] = securities.id_of(exchange, line["symbol"], session)
        result.sessions += 1
        result.unknown += sum(
            isinstance(line, dict) and line["security_id"].startswith(LEGACY) for line in lines
        )
        if dry_run:
            continue
        if all(isinstance(line, dict) for line in lines):
            copy.add(session, lines, fetches)
        else:
            # The session of a damaged line is known only from its folder.
            alone = _Copy(paths, session, session)
            alone.add(session, lines, fetches)
            alone.commit()
    if not dry_run:
        copy.commit()


class _Copy:
    """The two runs of some sessions. The records are committed last: they mark them as copied."""

    def __init__(self, paths: LakePaths, first: str, last: str) -> None:
        self._paths = paths
        self._range = first, last
        self._started_at = datetime.fromisoformat(last).replace(tzinfo=UTC)
        self._writers: dict[str, RawRunWriter] = {}
        self._sessions: list[str] = []

    def add(self, session: str, lines: Iterable[_Line], fetches: Iterable[_Line]) -> None:
        self._sessions.append(session)
        for run_id, found in ((FETCHES_RUN, fetches), (RECORDS_RUN, lines)):
            for line in found:
                self._writer(run_id).add_line(line, session)

    def commit(self) -> None:
        for run_id in (FETCHES_RUN, RECORDS_RUN):
            if self._sessions and (run_id == RECORDS_RUN or run_id in self._writers):
                writer = self._writer(run_id)
                run = writer.finish([], self._sessions, self._started_at)
                raw_run_writer.commit(self._paths, run)

    def _writer(self, run_id: str) -> RawRunWriter:
        if run_id not in self._writers:
            name = RunName(self._started_at, *self._range, run_id)
            files.delete(self._paths.raw_run(name))  # of an interrupted migration
            self._writers[run_id] = RawRunWriter(self._paths, name, datetime.now(UTC))
        return self._writers[run_id]


def _lines(paths: LakePaths, session: str) -> list[_Line]:
    """Return the records of a session, and the bytes of lines that are no records of it."""
    uri = paths.raw_prices_0_1_0(session)
    try:
        content = gzip.decompress(files.read(uri))
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(uri, error) from error
    return [
        parse_old_record(line, session) or line for line in content.splitlines() if line.strip()
    ]


def parse_old_record(line: bytes, session: str) -> dict[str, Any] | None:
    """Return a record of version 0.1.0, or None if the line is not a record of the session."""
    record = raw_runs.parse_record(line)
    if record is None or record["session_date"] != session or not record.get("client"):
        return None
    return dict(record)


def _last_fetches(
    paths: LakePaths, session: str, lines: Iterable[_Line]
) -> Iterable[dict[str, Any]]:
    """Yield a record per symbol whose last fetch left the stored record as it was.

    It had an equal answer, which confirms the record, or a worse one.
    """
    uri = paths.last_fetch_0_1_0(session)
    if not files.exists(uri):
        return
    try:
        fetched = orjson.loads(files.read(uri))
        for line in lines:
            fetch = fetched.get(line["symbol"]) if isinstance(line, dict) else None
            if not isinstance(line, dict) or fetch is None or not fetch["fetched_at"]:
                continue
            if fetch["outcome"] != line["outcome"]:
                absent = dict.fromkeys(("bar", "dividend", "capital_gain", "split"))
                yield {**line, **absent, "later_splits": [], "response_sha256": None, **fetch}
            elif fetch["fetched_at"] != line["fetched_at"]:
                yield {**line, **fetch}
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise _damaged(uri, error) from error


def _damaged(uri: str, error: Exception) -> CorruptObjectError:
    return CorruptObjectError(
        f"{uri} cannot be read: {error}. Restore it, or move its folder out of the lake and fetch "
        "the session again"
    )
