"""Writer of raw runs: numbered pairs of objects while a fetch goes on, and the manifest at its end.

Belongs here: the content of a run's folder. `raw_attempts` finds runs that were interrupted.
"""

import base64
import gzip
import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

import orjson

from stock_platform.lake import files, raw_attempts, raw_runs
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import MANIFEST, RECORDS, RESPONSES, RawRun, RunName
from stock_platform.market_data.models import (
    TRANSIENT_OUTCOMES,
    HttpResponseRecord,
    PriceRequest,
    SymbolResult,
)

# A killed fetch repeats at most the symbols of one pair: at two requests per second, four minutes.
_MAX_SYMBOLS: Final = 500
# The Spark job reads a record file as a whole.
_MAX_BYTES: Final = 8 * 1024 * 1024


class _Lines:
    """Lines of an object. One buffer, because `orjson` allocates 8 KB for a record of 500 bytes."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.count = 0

    def add(self, line: bytes) -> None:
        self.text += line + b"\n"
        self.count += 1


class RawRunWriter:
    """Writes one run. Until `commit` has written the manifest, the run does not exist for readers.

    Args:
        paths: paths of the lake.
        name: of the run. If objects of an interrupted attempt exist, the run is resumed.
        now: the begin of this attempt, UTC.
    """

    def __init__(self, paths: LakePaths, name: RunName, now: datetime) -> None:
        self.name = name
        self.uri = paths.raw_run(name)
        self._records = _Lines()
        self._responses = _Lines()
        self._symbols = 0
        self._clients: set[str] = set()
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._objects: dict[str, dict[str, Any]] = {}
        self._stored: set[tuple[str, str, str]] = set()
        self._next = 0
        raw_attempts.begin(paths, name, now)
        self._resume()

    def missing(self, requests: Iterable[PriceRequest]) -> list[PriceRequest]:
        """Return the requests without a final answer from an interrupted attempt."""
        return [
            request
            for request in requests
            if (request.exchange, request.symbol, request.security_id) not in self._stored
        ]

    def add(self, result: SymbolResult) -> None:
        """Add everything that was fetched for one symbol."""
        for record in result.records:
            self._count(record)
            self._records.add(orjson.dumps(record))
        for response in result.responses:
            self._responses.add(orjson.dumps(_stored_response(result.symbol, response)))
        self._symbols += 1
        self._flush_if_full()

    def add_line(self, line: dict[str, Any] | bytes, session: str) -> None:
        """Add one record of a session without a response, or a damaged line."""
        if isinstance(line, dict):
            self._count(line)
        else:
            self._outcomes[session]["damaged"] += 1
        self._records.add(line if isinstance(line, bytes) else orjson.dumps(line))
        self._flush_if_full()

    def flush(self) -> None:
        """Write everything added since the last flush, responses first."""
        number, self._next = self._next, self._next + 1
        self._write(f"{RESPONSES}{number:05}.json.gz", self._responses)
        self._write(f"{RECORDS}{number:05}.json.gz", self._records)
        self._records, self._responses = _Lines(), _Lines()
        self._symbols = 0

    def finish(
        self,
        requests: Sequence[PriceRequest],
        sessions: Sequence[str],
        finished_at: datetime,
        *,
        is_partial: bool = False,
    ) -> RawRun:
        """Write the remaining objects, and return the run, whose manifest is not written yet.

        Args:
            requests: all requests of the run.
            sessions: the sessions of the run, ascending, those without an open exchange too.
            finished_at: the end of the fetch, UTC.
            is_partial: whether the requests are limited to some securities.
        """
        if self._records.count or not self._objects:
            self.flush()
        open_sessions: dict[str, set[date]] = defaultdict(set)
        for request in requests:
            open_sessions[request.exchange] |= request.open_sessions
        manifest = {
            "format": 1,
            "client": ", ".join(sorted(self._clients)),
            "started_at": self.name.started_at.isoformat(),
            "finished_at": finished_at.isoformat(),
            "sessions": list(sessions),
            "securities": sorted({request.security_id for request in requests})
            if is_partial
            else None,
            "open": {mic: sorted(map(str, days)) for mic, days in sorted(open_sessions.items())},
            "requests": [_stored_request(request, sessions) for request in requests],
            "objects": self._objects,
            "outcomes": {
                session: dict(counts) for session, counts in sorted(self._outcomes.items())
            },
            "refused": [],
        }
        return RawRun(self.name, self.uri, manifest)

    def _resume(self) -> None:
        """Read the objects of an interrupted attempt, which are never overwritten.

        The symbols of damaged or missing records, and throttled ones, are requested again.
        """
        found = {entry["name"].rsplit("/", 1)[-1] for entry in files.list_folder(self.uri)}
        numbers = {
            int(digits)
            for name in found
            for prefix in (RECORDS, RESPONSES)
            if (digits := name.removeprefix(prefix).removesuffix(".json.gz")).isdigit()
        }
        for number in sorted(numbers):
            self._next = number + 1
            for prefix in (RESPONSES, RECORDS):
                name = f"{prefix}{number:05}.json.gz"
                with suppress(EOFError, OSError, zlib.error):
                    content = files.read(f"{self.uri}/{name}")
                    if not content:  # decompresses to no lines
                        raise EOFError(name)
                    lines = gzip.decompress(content).splitlines()
                    self._objects[name] = _details(content, len(lines))
                    if prefix == RECORDS:
                        self._add_stored(lines)

    def _add_stored(self, lines: Iterable[bytes]) -> None:
        stored: set[tuple[str, str, str]] = set()
        failed: set[tuple[str, str, str]] = set()
        for line in lines:
            record = orjson.loads(line)
            self._count(record)
            symbol = record["exchange"], record["symbol"], record["security_id"]
            (failed if record["outcome"] in TRANSIENT_OUTCOMES else stored).add(symbol)
        self._stored |= stored - failed

    def _count(self, record: Mapping[str, Any]) -> None:
        self._outcomes[record["session_date"]][str(record["outcome"])] += 1
        self._clients.add(record["client"])

    def _flush_if_full(self) -> None:
        size = len(self._records.text) + len(self._responses.text)
        if self._symbols >= _MAX_SYMBOLS or size >= _MAX_BYTES:
            self.flush()

    def _write(self, name: str, lines: _Lines) -> None:
        content = gzip.compress(lines.text, mtime=0)
        files.write(f"{self.uri}/{name}", content)
        self._objects[name] = _details(content, lines.count)


def commit(paths: LakePaths, run: RawRun) -> None:
    """Write the manifest of a run. From now on the run exists.

    Raises:
        CorruptObjectError: an object of the run is missing.
    """
    uris = [f"{run.uri}/{name}" for name in run.manifest["objects"]]
    for uri, exists in zip(uris, files.map_concurrently(files.exists, uris), strict=True):
        if not exists:
            raise CorruptObjectError(f"{uri} was deleted while its run was written: fetch again")
    digest = raw_runs.manifest_digest(run.manifest)
    files.write(f"{run.uri}/{MANIFEST}", orjson.dumps({**run.manifest, "sha256": digest}))
    raw_attempts.end(paths, run.name)


def _details(content: bytes, lines: int) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "lines": lines,
    }


def _stored_response(symbol: str, response: HttpResponseRecord) -> dict[str, Any]:
    line = {
        "symbol": symbol,
        "url": response.url,
        "status": response.status,
        "fetched_at": response.fetched_at.isoformat(),
        "error": response.error,
    }
    try:
        return {**line, "body": response.body.decode()}
    except UnicodeDecodeError:
        return {**line, "body_base64": base64.b64encode(response.body).decode()}


def _stored_request(request: PriceRequest, sessions: Sequence[str]) -> dict[str, Any]:
    """Return a request with its sessions as intervals of the sessions of the run."""
    asked = set(map(str, request.sessions))
    intervals = [
        list(group)
        for is_asked, group in groupby(sessions, key=lambda session: session in asked)
        if is_asked
    ]
    return {
        "symbol": request.symbol,
        "security_id": request.security_id,
        "exchange": request.exchange,
        "sessions": [[interval[0], interval[-1]] for interval in intervals],
    }
