"""The log of the processed layer: one immutable object per commit, created only if it is absent.

A commit lists the parts of a batch, the raw runs and sessions that the batch read, and its metrics.
Only parts that a commit lists exist. The raw layer has a second copy of each commit, the journal:
with the raw runs, it is enough to make the processed layer again, with the same batches in the same
order. Belongs here: the format of a commit, and reading, appending and restoring them. What follows
from all commits together is in `processed`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, Self

import orjson

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths, ProcessedTable

SessionMetrics = Mapping[str, Any]
# A refused batch broke a blocking rule: it has no parts, and its runs are not processed again by
# themselves. A compaction replaces parts by fewer ones with the same versions.
CommitKind = Literal["batch", "refused", "compaction"]

# Prefix of the id of a compaction.
COMPACTION: Final = "compaction-"
_TUPLES: Final = (
    "runs",
    "other_runs",
    "open_runs",
    "sessions",
    "securities",
    "reasons",
    "removed",
)
_NAME: Final = re.compile(r"(\d{8})\.json")


class ConflictError(StockPlatformError):
    """Another batch was committed after this one had read the current rows."""


@dataclass(frozen=True)
class Part:
    """An immutable Parquet object with versions of one calendar year.

    Attributes:
        path: relative to the folder of the table.
        first_date: lowest TradeDate, as text.
        last_date: highest TradeDate, as text.
    """

    table: ProcessedTable
    path: str
    rows: int
    sha256: str
    first_date: str
    last_date: str

    @property
    def name(self) -> str:
        """Its path in the processed layer."""
        return f"{self.table}/{self.path}"

    @property
    def year(self) -> int:
        """The calendar year of all its rows."""
        return int(self.first_date[:4])

    @property
    def owner(self) -> str:
        """Id of the batch or compaction that has written it."""
        return self.path.rsplit("/", 1)[-1].split(".", 1)[0]

    @property
    def is_compacted(self) -> bool:
        """Whether a compaction has written it, so that it has versions of several batches."""
        return self.owner.startswith(COMPACTION)

    def meets(self, first: str, last: str) -> bool:
        """Return whether a row may be of a day between two days, inclusive."""
        return self.first_date <= last and first <= self.last_date


@dataclass(frozen=True)
class Commit:
    """One entry of the log.

    Attributes:
        kind: a committed batch, a refused one, or a compaction.
        sequence: its position in the log, from 0.
        batch_id: identifies the inputs of the batch.
        known_from: when its versions became known, UTC; later than that of every batch before.
        runs: names of the raw runs that it has processed. A batch of some securities has processed
            only runs of these.
        other_runs: the other runs that it has read; their other securities were left out.
        open_runs: those of `runs` with a session that no commit had processed or refused then.
        sessions: the sessions that it processed, ascending.
        parts: the objects with its versions; none if nothing has changed.
        metrics: what the job measured, by session.
        engine: name of the Spark engine.
        securities: the securities to which it is limited; none if it is of all.
        reasons: one sentence per broken rule of a refused batch.
        removed: the parts that a compaction replaces, as ``table/path``.
    """

    kind: CommitKind
    sequence: int
    batch_id: str
    known_from: datetime
    runs: tuple[str, ...]
    sessions: tuple[str, ...]
    other_runs: tuple[str, ...] = ()
    open_runs: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    metrics: Mapping[str, SessionMetrics] = field(default_factory=dict)
    engine: str = ""
    securities: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def rows(self, table: ProcessedTable) -> int:
        """Return the number of versions in a table."""
        return sum(part.rows for part in self.parts if part.table == table)

    def to_json(self) -> bytes:
        """Return the content of the commit's object, with its own digest."""
        entry = orjson.dumps(self, option=orjson.OPT_SORT_KEYS)
        return orjson.dumps({"sha256": hashlib.sha256(entry).hexdigest(), "entry": entry.decode()})

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the commit of an object.

        Raises:
            ValueError: the content is not that of a commit, or was changed.
        """
        try:
            envelope = orjson.loads(content)
            entry = str(envelope["entry"])
            if hashlib.sha256(entry.encode()).hexdigest() != envelope["sha256"]:
                raise ValueError("its content was changed")
            fields = orjson.loads(entry)
            parts = tuple(Part(**part) for part in fields["parts"])
            known_from = datetime.fromisoformat(fields["known_from"])
            tuples = {name: tuple(fields[name]) for name in _TUPLES}
            return cls(**{**fields, **tuples, "known_from": known_from, "parts": parts})
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no commit: {error!r}") from error


def read_commits(paths: LakePaths) -> list[Commit]:
    """Return all commits in order.

    Raises:
        CorruptObjectError: a commit is missing or was changed.
    """
    # Before the log, because a commit is written before its copy. Without the journal, the loss of
    # the newest commit would not be noticed.
    copied = _listed(paths.journal())
    found = _listed(paths.commits())
    newest = max([*found, *copied], default=-1)
    if missing := set(range(newest + 1)).difference(found):
        reason = f"it is missing, and there is a commit {newest}"
        raise CorruptObjectError(_damage(paths.commit(min(missing)), reason))

    def read(sequence: int) -> Commit:
        return _read(paths.commit(sequence), sequence, found[sequence])

    return list(files.map_concurrently(read, sorted(found)))


def append(paths: LakePaths, commit: Commit) -> None:
    """Write a commit after the newest one, then its copy in the journal.

    Of several writers, exactly one succeeds. If this process dies before the copy, the next commit
    writes it.

    Raises:
        ConflictError: there is another commit with its sequence.
    """
    try:
        files.create(paths.commit(commit.sequence), commit.to_json())
    except FileExistsError as error:
        raise ConflictError(f"another commit has sequence {commit.sequence}") from error
    for sequence in sorted(_listed(paths.commits()).keys() - _listed(paths.journal())):
        files.create(paths.journal_copy(sequence), files.read(paths.commit(sequence)))


def restore(paths: LakePaths) -> list[str]:
    """Write missing and damaged commits and copies again, each from the other one.

    Returns:
        The restored objects.
    """
    restored = []
    for sequence in sorted(_listed(paths.commits()).keys() | _listed(paths.journal()).keys()):
        pair = [paths.commit(sequence), paths.journal_copy(sequence)]
        contents = [_intact_content(uri, sequence) for uri in pair]
        for uri, content, other in zip(pair, contents, reversed(contents), strict=True):
            if content is None and other is not None:
                files.write(uri, other)
                restored.append(uri)
    return restored


def _listed(folder: str) -> dict[int, str]:
    """Return the version of each commit object in a folder, by sequence."""
    return {
        int(match[1]): files.version_of(entry)
        for entry in files.list_folder(folder)
        if (match := _NAME.fullmatch(entry["name"].rsplit("/", 1)[-1]))
    }


def _intact_content(uri: str, sequence: int) -> bytes | None:
    """Return the content of a commit's object, or None if it is missing or damaged."""
    try:
        content = files.read(uri)
        return content if Commit.from_json(content).sequence == sequence else None
    except (FileNotFoundError, ValueError):
        return None


# A commit is never changed, so a process needs to read it only once.
@lru_cache(maxsize=8192)
def _read(uri: str, sequence: int, _version: str) -> Commit:
    try:
        commit = Commit.from_json(files.read(uri))
    except (FileNotFoundError, ValueError) as error:
        raise CorruptObjectError(_damage(uri, str(error))) from error
    if commit.sequence != sequence:
        raise CorruptObjectError(_damage(uri, f"it is commit {commit.sequence}"))
    return commit


def _damage(uri: str, reason: str) -> str:
    return (
        f"{uri} is damaged ({reason}): run the job `rebuild_processed_prices`, which restores it "
        "from its copy in the raw layer"
    )
