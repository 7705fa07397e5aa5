"""The state of the processed layer that follows from its commits: live parts, processed sessions.

Belongs here: that state, the verification of its parts, and commits that depend on it. The rows of
the parts are in `versions`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property

from stock_platform.lake import commits, files
from stock_platform.lake.commits import Commit, ConflictError, Part, read_commits
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.raw_runs import RawRun


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
    def _by_year(self) -> dict[tuple[ProcessedTable, int], list[Part]]:
        found: dict[tuple[ProcessedTable, int], list[Part]] = defaultdict(list)
        for part in self._live.values():
            found[part.table, part.year].append(part)
        return found

    def parts_by_year(self) -> list[list[Part]]:
        """Return all live parts, those of a table and year together."""
        return [parts for _, parts in sorted(self._by_year.items())]

    def holders(self, part: Part) -> list[Part]:
        """Return the live parts with the versions of a part as its batch has committed it."""
        found = self._by_year.get((part.table, part.year), [])
        own = [live for live in found if live.owner == part.owner]
        return own or [live for live in found if live.is_compacted]

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
    def closed_runs(self) -> set[str]:
        """Names of the runs of which every session was processed or refused."""
        found: set[str] = set()
        for commit in self.commits:
            found.update(commit.runs)
            found.difference_update(commit.open_runs)
        return found

    def newest(self, session: str) -> Commit:
        """Return the newest batch that processed all securities of a session.

        Raises:
            FileNotFoundError: the session was never processed.
        """
        if session not in self._newest:
            raise FileNotFoundError(
                f"processed_stock_prices has no partition {session}: materialize it first"
            )
        return self._newest[session]

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
        """Return the names of the runs that a batch has processed for a session."""
        batches = [commit for commit in self.batches if session in commit.sessions]
        return {run for commit in batches for run in commit.runs}

    def runs_read(self, sessions: Sequence[str]) -> set[str]:
        """Return the names of the runs that batches of some sessions have read."""
        wanted = set(sessions)
        batches = [commit for commit in self.batches if not wanted.isdisjoint(commit.sessions)]
        return {run for commit in batches for run in (*commit.runs, *commit.other_runs)}

    def parts(
        self, table: ProcessedTable | None = None, sessions: Sequence[str] | None = None
    ) -> list[Part]:
        """Return the live parts that may have a row of one of the sessions.

        Args:
            table: the processed table; by default all.
            sessions: ascending; by default all.
        """
        found = [part for part in self._live.values() if table in {None, part.table}]
        if sessions is None:
            return found
        return [part for part in found if sessions and part.meets(sessions[0], sessions[-1])]


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
        remedy = (
            f"{uri} is missing or was changed: run the job `rebuild_processed_prices`, which makes "
            "it again from the raw runs"
        )
        return part, "" if files.has_digest(uri, part.sha256) else remedy

    return {part: found for part, found in files.map_concurrently(compare, parts) if found}


def verify(paths: LakePaths, parts: Iterable[Part]) -> None:
    """Require that parts are as they were committed.

    Raises:
        CorruptObjectError: a part is missing or was changed.
    """
    for found in damage(paths, parts).values():
        raise CorruptObjectError(found)


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


def replace_parts(
    paths: LakePaths, owner: str, removed: Iterable[Part], added: Iterable[Part], now: datetime
) -> Commit:
    """Commit that parts replace others with the same versions. Batches may commit meanwhile.

    Raises:
        ConflictError: another replacement of the same parts was committed meanwhile.
    """
    names, parts = tuple(part.name for part in removed), tuple(added)

    def build(state: ProcessedState) -> Commit:
        if not {part.name for part in state.parts()}.issuperset(names):
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
