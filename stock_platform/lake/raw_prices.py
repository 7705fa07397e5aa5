"""Raw price records: pivot from one response per symbol to one object per session.

Belongs here: transposing symbol-major input to session-major files in bounded memory, and
publishing the object of a session. Which of two records wins is decided by the caller.
"""

import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import orjson

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths

Record = Mapping[str, Any]
# Takes the stored and the new record of a symbol; returns the one to keep, and the kind of change.
ChooseRecord = Callable[[Record | None, Record], tuple[Record, str]]

# Records are buffered in memory up to this size: 5,000 symbols of a year take about 450 MB.
_BUFFER_BYTES: Final = 64 * 1024 * 1024


class RawPriceBuffer:
    """Records and responses of a fetch, collected in a temporary folder before publication.

    A context manager: the folder is deleted on exit.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="raw-prices-")
        self._pending: dict[str, list[bytes]] = defaultdict(list)
        self._pending_bytes = 0
        self._sessions: set[str] = set()
        self.archive([])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, records: Iterable[Record]) -> None:
        """Add records of any sessions."""
        for record in records:
            content = orjson.dumps(record)
            self._pending[record["session_date"]].append(content)
            self._pending_bytes += len(content)
        self._sessions.update(self._pending)
        if self._pending_bytes > _BUFFER_BYTES:
            self.flush()

    def archive(self, responses: Iterable[Mapping[str, Any]]) -> None:
        """Add verbatim responses."""
        with gzip.open(self.responses_file, "ab") as file:
            file.writelines(orjson.dumps(response) + b"\n" for response in responses)

    @property
    def responses_file(self) -> Path:
        """The archive of verbatim responses: gzipped JSON lines, one per response."""
        return Path(self._folder.name) / "responses.json.gz"

    def records(self, session: str) -> list[Record]:
        """Return the records of one session. Empty if the universe is empty."""
        self.flush()
        if session not in self._sessions:
            return []
        return [orjson.loads(line) for line in self._file(session).read_bytes().splitlines()]

    def flush(self) -> None:
        """Write the buffer to disk. Afterwards `records` is safe to call from many threads."""
        for session, contents in self._pending.items():
            with self._file(session).open("ab") as file:
                file.writelines(content + b"\n" for content in contents)
        self._pending.clear()
        self._pending_bytes = 0

    def _file(self, session: str) -> Path:
        return Path(self._folder.name) / f"{session}.jsonl"


def publish(
    paths: LakePaths, session: str, records: Iterable[Record], choose: ChooseRecord
) -> dict[str, Counter[str]]:
    """Merge new records into the object of one session.

    Records of symbols that were not requested this time stay: a company that left the universe
    keeps its history. If no record changes, the object is not written again, so that its bytes,
    and the identity of every batch made from it, stay the same.

    Returns:
        Counts of ``outcomes`` in the object, and of ``changes`` against the earlier object.
    """
    new = list(records)
    stored, is_intact = _stored(paths, session)
    chosen = {record["symbol"]: choose(stored.get(record["symbol"]), record) for record in new}
    merged = stored | {symbol: record for symbol, (record, _) in chosen.items()}
    changes = Counter(change for _, change in chosen.values())
    if not is_intact or set(changes) & {"new", "restated"}:
        files.write(paths.raw_prices(session), pack(merged[symbol] for symbol in sorted(merged)))
    fetch = {
        record["symbol"]: {
            "outcome": str(record["outcome"]),
            "fetched_at": record.get("fetched_at"),
        }
        for record in new
    }
    files.write(paths.last_fetch(session), orjson.dumps(fetch))
    outcomes = Counter(str(record["outcome"]) for record in merged.values())
    return {"outcomes": outcomes, "changes": changes}


def read(paths: LakePaths, session: str) -> list[Record]:
    """Return the usable records of one session: JSON objects with a symbol and an outcome.

    Other lines are skipped here: the Spark job counts and quarantines them.

    Raises:
        FileNotFoundError: the session has no object.
    """
    return _records(files.read(paths.raw_prices(session)))


def published_sessions(paths: LakePaths) -> list[str]:
    """Return the sessions with raw prices, ascending, by one listing of the lake."""
    return files.list_sessions_with(paths.raw_prices_folder(), "prices.json.gz")


def last_fetch(paths: LakePaths, session: str) -> dict[str, Record]:
    """Return ``outcome`` and ``fetched_at`` per symbol as of the last fetch of the session.

    They differ from the object's records where an earlier record was kept.
    """
    fetched: dict[str, Record] = orjson.loads(files.read(paths.last_fetch(session)))
    return fetched


def pack(records: Iterable[Record]) -> bytes:
    """Encode records as gzipped JSON lines. Equal records give equal bytes."""
    return gzip.compress(b"".join(orjson.dumps(record) + b"\n" for record in records), mtime=0)


def _stored(paths: LakePaths, session: str) -> tuple[dict[str, Record], bool]:
    """Return the records of the stored object by symbol, and whether it exists undamaged."""
    try:
        content = files.read(paths.raw_prices(session))
    except FileNotFoundError:
        return {}, False
    stored = {record["symbol"]: record for record in _records(content)}
    return stored, content == pack(stored[symbol] for symbol in sorted(stored))


def _records(content: bytes) -> list[Record]:
    try:
        lines = gzip.decompress(content).splitlines()
    except (OSError, EOFError, zlib.error):
        return []
    return [record for record in map(_usable, lines) if record is not None]


def _usable(line: bytes) -> Record | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    is_usable = isinstance(record, dict) and all(
        isinstance(record.get(name), str) for name in ("symbol", "outcome")
    )
    return record if is_usable else None
