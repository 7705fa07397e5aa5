"""Make the damaged record objects of raw runs again, from the responses of the same runs.

A record follows from a request in the manifest and the responses to it, so the object is made again
byte for byte. Its SHA-256 in the manifest proves it.
"""

import base64
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Any

import orjson

from stock_platform.lake import files, raw_runs
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import MANIFEST, RECORDS, RESPONSES, RawRun
from stock_platform.market_data.models import HttpResponseRecord, PriceRequest
from stock_platform.market_data.price_records import build_symbol_result


@dataclass
class RawRebuild:
    """Result of making records again.

    Attributes:
        objects: URIs of the objects that were damaged and are intact now.
        problems: one sentence per object that is still damaged.
    """

    objects: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def rebuild_records(paths: LakePaths) -> RawRebuild:
    """Verify the objects of all runs, and make damaged records again."""
    result = RawRebuild()
    for name in raw_runs.run_names(paths):
        try:
            run = raw_runs.read_run(paths, name)
        except CorruptObjectError as error:
            result.problems.append(str(error))
            continue
        for file, details in run.manifest["objects"].items() if run else ():
            uri = f"{paths.raw_run(name)}/{file}"
            if run is None or files.has_digest(uri, details["sha256"]):
                continue
            if file.startswith(RESPONSES):
                result.problems.append(f"{uri} is missing or was changed: restore it")
                continue
            try:
                _rebuild(run, uri, details["sha256"])
                result.objects.append(uri)
            except (CorruptObjectError, KeyError, ValueError) as error:
                result.problems.append(f"{uri} cannot be made again: {error}")
    return result


def _rebuild(run: RawRun, uri: str, sha256: str) -> None:
    name = uri.rsplit("/", 1)[-1].replace(RECORDS, RESPONSES)
    details = run.manifest["objects"][name]
    responses = raw_runs.read_lines(f"{run.uri}/{name}", details["sha256"])
    manifest = orjson.loads(files.read(f"{run.uri}/{MANIFEST}"))
    lines = [
        orjson.dumps(record)
        for request, found in _answered(manifest, [orjson.loads(line) for line in responses])
        for record in build_symbol_result(request, found, manifest["client"]).records
    ]
    content = gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("its responses give other records; restore it, or fetch again")
    files.write(uri, content)


def _answered(
    manifest: dict[str, Any], responses: Sequence[dict[str, Any]]
) -> Iterator[tuple[PriceRequest, list[HttpResponseRecord]]]:
    """Yield the requests with their responses, in the order of the responses.

    Raises:
        ValueError: a symbol was requested for several securities, whose responses are mixed.
    """
    requests: dict[str, list[dict[str, Any]]] = {}
    for request in manifest["requests"]:
        requests.setdefault(request["symbol"], []).append(request)
    for symbol, group in groupby(responses, key=lambda response: str(response["symbol"])):
        found = [_response(response) for response in group]
        of_symbol = requests[symbol]
        if len(found) % len(of_symbol):
            raise ValueError(f"{symbol} was requested for {len(of_symbol)} securities")
        size = len(found) // len(of_symbol)
        for number, request in enumerate(of_symbol):
            yield _request(manifest, request), found[number * size : (number + 1) * size]


def _response(stored: dict[str, Any]) -> HttpResponseRecord:
    body = stored["body"].encode() if "body" in stored else base64.b64decode(stored["body_base64"])
    return HttpResponseRecord(
        url=stored["url"],
        status=stored["status"],
        fetched_at=datetime.fromisoformat(stored["fetched_at"]),
        body=body,
        error=stored["error"],
    )


def _request(manifest: dict[str, Any], stored: dict[str, Any]) -> PriceRequest:
    days = tuple(
        date.fromisoformat(session)
        for session in manifest["sessions"]
        if any(first <= session <= last for first, last in stored["sessions"])
    )
    is_open = set(manifest["open"][stored["exchange"]])
    return PriceRequest(
        stored["symbol"],
        stored["security_id"],
        stored["exchange"],
        days,
        frozenset(day for day in days if day.isoformat() in is_open),
    )
