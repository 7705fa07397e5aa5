"""The request of the Spark job: which record files it reads for which sessions."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from stock_platform.lake.raw_runs import RawRun
from stock_platform.spark.batch import JOB_FILE


def job_request(
    lake: str, sessions: Sequence[str], symbols: Iterable[str], runs: Iterable[RawRun]
) -> dict[str, Any]:
    """Return the request of the job, whose ``batch_id`` is derived from everything else.

    Equal inputs and equal code give equal ids and equal rows. The lake is included so that a
    copied lake never uses the batches of the original. The id matches Dataproc's pattern
    ``[a-z0-9][a-z0-9-]{2,61}[a-z0-9]``.

    Args:
        lake: root of the lake.
        sessions: the sessions to process, ascending.
        symbols: every symbol of the ERP.
        runs: the usable runs with a record of the sessions.
    """
    request = {
        "sessions": list(sessions),
        "symbols": sorted(set(symbols)),
        "files": {
            uri: {
                "run": str(run.name),
                "lines": details["lines"],
                "sha256": details["sha256"],
                "first_session": run.sessions[0],
                "last_session": run.sessions[-1],
            }
            for run in runs
            for uri, details in run.record_files.items()
        },
    }
    digest = hashlib.sha256(f"{lake}\n".encode() + JOB_FILE.read_bytes() + orjson.dumps(request))
    first, last = (session.replace("-", "") for session in (sessions[0], sessions[-1]))
    return {"batch_id": f"stock-prices-{first}-{last}-{digest.hexdigest()[:12]}", **request}
