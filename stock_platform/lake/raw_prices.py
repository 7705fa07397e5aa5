"""Raw price lines on their way from answers (a symbol at a time) to sessions (an object each).

Belongs here: the turning of the data by ninety degrees within bounded memory, and the
publishing of a session's object. What makes two lines the same is not decided here.
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

Line = Mapping[str, Any]
# Of an earlier line and a new one of the same symbol: the line to keep, and what happened.
Settle = Callable[[Line | None, Line], tuple[Line, str]]

# Lines wait in memory until they weigh this much: 5,000 symbols of a year weigh about 450 MB.
_PENDING_BYTES: Final = 64 * 1024 * 1024


class RawPriceSpool:
    """Lines collected session by session in a temporary folder, then published.

    Use as a context manager: the folder goes when it is left.
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

    def add(self, lines: Iterable[Line]) -> None:
        """Take the lines of one answer, of any sessions."""
        for line in lines:
            content = orjson.dumps(line)
            self._pending[line["session_date"]].append(content)
            self._pending_bytes += len(content)
        self._sessions.update(self._pending)
        if self._pending_bytes > _PENDING_BYTES:
            self.flush()

    def archive(self, responses: Iterable[Mapping[str, Any]]) -> None:
        """Take the verbatim answers that lines were made of."""
        with gzip.open(self.responses_file, "ab") as file:
            file.writelines(orjson.dumps(response) + b"\n" for response in responses)

    @property
    def responses_file(self) -> Path:
        """The archive of verbatim answers: gzip JSON, a line an answer."""
        return Path(self._folder.name) / "responses.json.gz"

    def lines(self, session: str) -> list[Line]:
        """The lines collected of one session; none where the universe is empty."""
        self.flush()
        if session not in self._sessions:
            return []
        return [orjson.loads(line) for line in self._file(session).read_bytes().splitlines()]

    def flush(self) -> None:
        """Write out what waits in memory; `lines` may then be asked for from many threads."""
        for session, contents in self._pending.items():
            with self._file(session).open("ab") as file:
                file.writelines(content + b"\n" for content in contents)
        self._pending.clear()
        self._pending_bytes = 0

    def _file(self, session: str) -> Path:
        return Path(self._folder.name) / f"{session}.jsonl"


def publish(
    paths: LakePaths, session: str, lines: Iterable[Line], settle: Settle
) -> dict[str, Counter[str]]:
    """Make one session's object of new lines and of what the lake already knows.

    Lines of symbols that were not asked for this time stay: a company that left the universe
    keeps its history. An object whose lines all stay as they were is not written again, so its
    bytes, and with them the identity of every batch made of it, stay the same.

    Returns:
        Counts of ``outcomes`` in the object and of ``changes`` against the earlier one.
    """
    asked = list(lines)
    known, intact = _known(paths, session)
    settled = {line["symbol"]: settle(known.get(line["symbol"]), line) for line in asked}
    kept = known | {symbol: line for symbol, (line, _) in settled.items()}
    changes = Counter(change for _, change in settled.values())
    if not intact or set(changes) & {"new", "restated"}:
        files.write(paths.raw_prices(session), pack(kept[symbol] for symbol in sorted(kept)))
    fetch = {
        line["symbol"]: {"outcome": str(line["outcome"]), "fetched_at": line.get("fetched_at")}
        for line in asked
    }
    files.write(paths.last_fetch(session), orjson.dumps(fetch))
    return {"outcomes": Counter(str(line["outcome"]) for line in kept.values()), "changes": changes}


def read(paths: LakePaths, session: str) -> list[Line]:
    """The usable lines of one session's object: JSON objects with a symbol and an outcome.

    Others are left out: the Spark job counts and quarantines those.

    Raises:
        FileNotFoundError: the session has no object.
    """
    return _lines(files.read(paths.raw_prices(session)))


def published_sessions(paths: LakePaths) -> list[str]:
    """The sessions that have raw prices, ascending, by one listing of the lake."""
    return files.sessions_in(paths.raw_prices_folder())


def last_fetch(paths: LakePaths, session: str) -> dict[str, Line]:
    """Each symbol's ``outcome`` and ``fetched_at``, as the session was last fetched.

    They differ from the object's lines where an earlier answer was kept.
    """
    answers: dict[str, Line] = orjson.loads(files.read(paths.last_fetch(session)))
    return answers


def _known(paths: LakePaths, session: str) -> tuple[dict[str, Line], bool]:
    """The lines that an earlier object has, and whether it is there and undamaged."""
    try:
        content = files.read(paths.raw_prices(session))
    except FileNotFoundError:
        return {}, False
    known = {line["symbol"]: line for line in _lines(content)}
    return known, content == pack(known[it] for it in sorted(known))


def _lines(content: bytes) -> list[Line]:
    try:
        texts = gzip.decompress(content).splitlines()
    except (OSError, EOFError, zlib.error):
        return []
    return [line for line in map(_usable, texts) if line is not None]


def _usable(text: bytes) -> Line | None:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    named = isinstance(line, dict) and all(
        isinstance(line.get(name), str) for name in ("symbol", "outcome")
    )
    return line if named else None


def pack(lines: Iterable[Line]) -> bytes:
    """Lines as gzip JSON; the same lines give the same bytes."""
    return gzip.compress(b"".join(orjson.dumps(line) + b"\n" for line in lines), mtime=0)
