"""Raw runs made by hand, damaged ones too."""

import gzip
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson

from stock_platform.lake import files, raw_run_writer, raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun, RunName

_NUMBERS = count()


def store_run(
    paths: LakePaths,
    *lines: dict[str, Any] | bytes,
    sessions: Sequence[str],
    started_at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    refused: Sequence[str] = (),
) -> RawRun:
    """Store a complete run with these records, or lines that are no records."""
    name = RunName(started_at, sessions[0], sessions[-1], f"run-{next(_NUMBERS)}")
    uri = paths.raw_run(name)
    texts = [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]
    content = gzip.compress(b"".join(text + b"\n" for text in texts), mtime=0)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        session, outcome = (
            (sessions[0], "damaged")
            if isinstance(line, bytes)
            else (line["session_date"], line["outcome"])
        )
        outcomes[session][outcome] += 1
    files.write(f"{uri}/records-00000.json.gz", content)
    digest = hashlib.sha256(content).hexdigest()
    run = RawRun(
        name,
        uri,
        {
            "sessions": list(sessions),
            "requests": [],
            "objects": {
                "records-00000.json.gz": {
                    "sha256": digest,
                    "bytes": len(content),
                    "lines": len(lines),
                }
            },
            "outcomes": outcomes,
            "refused": list(refused),
        },
    )
    raw_run_writer.commit(paths, run)
    return run


def raw_records(paths: LakePaths, *sessions: str) -> list[dict[str, Any]]:
    """All records of some sessions, run by run."""
    found = raw_runs.records(raw_runs.runs_of(paths, sessions), sessions)
    return [dict(record) for record in found]
