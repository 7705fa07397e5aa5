"""The request of the Spark job: which record files and versions it reads for which sessions."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from stock_platform.lake.paths import PROCESSED_TABLES, ProcessedTable
from stock_platform.lake.staging import BatchInputs
from stock_platform.spark.batch import JOB_FILE


def job_request(
    lake: str,
    inputs: BatchInputs,
    symbols: Iterable[str],
    *,
    known_from: datetime,
    base: Mapping[ProcessedTable, Mapping[str, int]],
) -> dict[str, Any]:
    """Return the request of the job, whose ``batch_id`` is derived from what the job asks for.

    Equal lakes, sessions, symbols, securities and runs, and equal code, give equal ids, whatever
    was processed before. The lake is included so that a copied lake never uses the batches of the
    original. The id matches Dataproc's pattern ``[a-z0-9][a-z0-9-]{2,61}[a-z0-9]``.

    Args:
        lake: root of the lake.
        inputs: what the batch processes.
        symbols: every symbol of the ERP.
        known_from: the batch's moment, later than that of every batch before.
        base: number of rows of each live part that meets the sessions, by table and URI.
    """
    sessions = inputs.sessions
    fields = {
        "sessions": list(sessions),
        "symbols": sorted(set(symbols)),
        "securities": sorted(set(inputs.securities)) or None,
        "files": {
            uri: {
                "run": str(run.name),
                "lines": details["lines"],
                "sha256": details["sha256"],
                "first_session": run.sessions[0],
                "last_session": run.sessions[-1],
            }
            for run in inputs.runs
            for uri, details in run.record_files.items()
        },
    }
    digest = hashlib.sha256(f"{lake}\n".encode() + JOB_FILE.read_bytes() + orjson.dumps(fields))
    first, last = (session.replace("-", "") for session in (sessions[0], sessions[-1]))
    return {
        "batch_id": f"stock-prices-{first}-{last}-{digest.hexdigest()[:12]}",
        "known_from": known_from.astimezone(UTC).isoformat(timespec="microseconds"),
        **fields,
        "base": {table: dict(base.get(table, {})) for table in PROCESSED_TABLES},
    }
