"""Raw runs: what one fetch of prices has stored in the lake. Nothing in them is ever changed.

Belongs here: names, manifests and records of runs, for readers. `raw_run_writer` writes runs.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, Self

import orjson

from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths

Record = Mapping[str, Any]

MANIFEST: Final = "manifest.json"
RECORDS: Final = "records-"
RESPONSES: Final = "responses-"
UNFINISHED: Final = "_unfinished"
_FOLDER: Final = "run="
_TIME: Final = "%Y%m%dT%H%M%SZ"
# Safe in paths of every file system and of Spark. Dagster's ids are UUIDs.
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


@dataclass(frozen=True, order=True)
class RunName:
    """The name of a raw run. A listing of names is the index of the runs, ordered by time.

    Attributes:
        started_at: when the fetch began, UTC.
        first: its first session.
        last: its last session.
        run_id: id of the Dagster run.
    """

    started_at: datetime
    first: str
    last: str
    run_id: str

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id):
            raise ValueError(f"invalid id of a run: {self.run_id}")

    def __str__(self) -> str:
        return f"{self.started_at:{_TIME}}_{self.first}_{self.last}_{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the name, or None if the text is not the name of a run."""
        try:
            started, first, last, run_id = text.split("_", 3)
            moment = datetime.strptime(started, _TIME).replace(tzinfo=UTC)
            days = [date.fromisoformat(day).isoformat() for day in (first, last)]
            return cls(moment, first, last, run_id) if days == [first, last] else None
        except ValueError:
            return None

    def overlaps(self, sessions: Sequence[str]) -> bool:
        """Return whether a session may be in the run. Sessions are ascending."""
        return bool(sessions) and self.first <= sessions[-1] and sessions[0] <= self.last


@dataclass(frozen=True)
class RawRun:
    """A complete raw run.

    Attributes:
        name: also names its folder.
        uri: its folder.
        manifest: the requests, the objects with their digests, and counts.
    """

    name: RunName
    uri: str
    manifest: Mapping[str, Any]

    @property
    def sessions(self) -> list[str]:
        """The requested sessions, ascending."""
        return list(self.manifest["sessions"])

    @property
    def securities(self) -> list[str]:
        """The securities to which the run is limited; none if it is of all."""
        return list(self.manifest.get("securities") or ())

    @property
    def refused(self) -> list[str]:
        """Why the run must not be processed: one sentence per broken rule. Usually empty."""
        return list(self.manifest["refused"])

    @property
    def record_files(self) -> dict[str, Mapping[str, Any]]:
        """Digest, size and number of lines of each record file, by URI."""
        return {
            f"{self.uri}/{name}": details
            for name, details in sorted(self.manifest["objects"].items())
            if name.startswith(RECORDS)
        }

    def refused_for(self, reasons: Sequence[str]) -> Self:
        """Return the run with the reasons why it must not be processed."""
        return replace(self, manifest={**self.manifest, "refused": list(reasons)})

    def outcomes(self, session: str) -> Mapping[str, int]:
        """Return the number of records of a session by outcome."""
        found: Mapping[str, int] = self.manifest["outcomes"].get(session, {})
        return found


def run_names(paths: LakePaths) -> list[RunName]:
    """Return the names of all runs, the incomplete ones too, by one listing, oldest first."""
    names = map(name_of, files.list_names(paths.raw_runs_folder()))
    return sorted(name for name in names if name is not None)


def name_of(folder: str) -> RunName | None:
    """Return the name of the run in a folder, or None if it is not the folder of a run."""
    return RunName.parse(folder.removeprefix(_FOLDER))


def runs_of(paths: LakePaths, sessions: Sequence[str]) -> list[RawRun]:
    """Return the complete runs that include one of the sessions, oldest first.

    Args:
        paths: paths of the lake.
        sessions: ascending.
    """
    names = [name for name in run_names(paths) if name.overlaps(sessions)]
    found = files.map_concurrently(lambda name: read_run(paths, name), names)
    wanted = set(sessions)
    return [run for run in found if run is not None and not wanted.isdisjoint(run.sessions)]


def usable_runs(
    paths: LakePaths, sessions: Sequence[str], securities: Iterable[str] = ()
) -> list[RawRun]:
    """Return the runs of the sessions that may be processed, oldest first.

    Args:
        paths: paths of the lake.
        sessions: ascending.
        securities: limits them to runs that may have a record of one of these; by default all.
    """
    wanted = set(securities)

    def has_one(run: RawRun) -> bool:
        requests = _requests(run)
        return not requests or any(request["security_id"] in wanted for request in requests)

    runs = [run for run in runs_of(paths, sessions) if not run.refused]
    if not wanted:
        return runs
    found = files.map_concurrently(has_one, runs)
    return [run for run, has in zip(runs, found, strict=True) if has]


def find_run(paths: LakePaths, text: str) -> RawRun:
    """Return the complete run with a name.

    Raises:
        CorruptObjectError: there is none, or its manifest cannot be read.
    """
    name = RunName.parse(text)
    run = read_run(paths, name) if name else None
    if run is None:
        raise CorruptObjectError(
            f"raw run {text} is missing: restore {paths.raw_run(text)}; if it was withdrawn, move "
            f"it back from {paths.withdrawn_raw_runs()} for this job"
        )
    return run


def require_runs(paths: LakePaths, names: Iterable[str]) -> None:
    """Require that runs that were processed once still exist, or were withdrawn.

    Raises:
        CorruptObjectError: one of them is missing.
    """
    missing = set(names)
    if missing:
        missing.difference_update(map(str, run_names(paths)))
    withdrawn = files.list_names(paths.withdrawn_raw_runs()) if missing else []
    for name in sorted(missing.difference(map(str, map(name_of, withdrawn)))):
        raise CorruptObjectError(
            f"raw run {name} was processed and is missing: restore {paths.raw_run(name)}; or, if "
            f"its answers are wrong, move it to {paths.withdrawn_raw_runs()}/run={name}"
        )


def requested_symbols(run: RawRun) -> list[str]:
    """Return the symbols of a run's requests."""
    return [request["symbol"] for request in _requests(run)]


def _requests(run: RawRun) -> list[dict[str, Any]]:
    """Return the requests of a run; none if it was migrated from version 0.1.0."""
    requests: list[dict[str, Any]] = orjson.loads(files.read(f"{run.uri}/{MANIFEST}"))["requests"]
    return requests


def read_run(paths: LakePaths, name: RunName) -> RawRun | None:
    """Return a run, or None if it is unfinished. The requests of its manifest are left out.

    Raises:
        CorruptObjectError: its manifest was lost or cannot be read.
    """
    uri = paths.raw_run(name)
    try:
        return RawRun(name, uri, _manifest(f"{uri}/{MANIFEST}"))
    except FileNotFoundError as error:
        found = files.list_names(uri)
        has_records = any(name.startswith(RECORDS) for name in found)
        if has_records and UNFINISHED not in found:
            raise CorruptObjectError(_damage(f"{uri}/{MANIFEST}")) from error
        return None


# A manifest is never changed, so it needs to be read only once.
@lru_cache(maxsize=512)
def _manifest(uri: str) -> Mapping[str, Any]:
    content = files.read(uri)
    try:
        manifest = orjson.loads(content)
        digest = manifest.pop("sha256")
    except (AttributeError, KeyError, ValueError) as error:
        raise CorruptObjectError(_damage(uri)) from error
    if digest != manifest_digest(manifest):
        raise CorruptObjectError(_damage(uri))
    # Most of a manifest, and not needed to read the run: 3 MB in memory for 5,000 symbols.
    return {name: value for name, value in manifest.items() if name not in {"requests", "open"}}


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its own digest."""
    return hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def records(runs: Iterable[RawRun], sessions: Iterable[str]) -> Iterator[Record]:
    """Yield the records of some sessions, run by run. Damaged lines are skipped.

    Raises:
        CorruptObjectError: an object is missing or was changed.
    """
    wanted = set(sessions)
    for run in runs:
        for uri, details in run.record_files.items():
            for line in read_lines(uri, details["sha256"]):
                record = parse_record(line)
                if record is not None and record["session_date"] in wanted:
                    yield record


def parse_record(line: bytes) -> Record | None:
    """Return a record, or None if the line is damaged: the Spark job quarantines such lines."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    is_record = isinstance(record, dict) and all(
        isinstance(record.get(name), str)
        for name in ("symbol", "session_date", "outcome", "fetched_at")
    )
    return record if is_record else None


def read_lines(uri: str, sha256: str) -> list[bytes]:
    """Return the lines of an object of a run.

    Raises:
        CorruptObjectError: the object is missing or was changed.
    """
    try:
        content = files.read(uri)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptObjectError(_damage(uri))
        return gzip.decompress(content).splitlines()
    except (EOFError, OSError, zlib.error) as error:
        raise CorruptObjectError(_damage(uri)) from error


def _damage(uri: str) -> str:
    return (
        f"{uri} is missing or was changed: restore it, make it again with the job "
        "`rebuild_raw_prices`, or move its folder to raw/stock_prices/withdrawn and fetch its "
        "sessions again"
    )
