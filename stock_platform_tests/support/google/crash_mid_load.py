"""An orchestrator that is killed at a given point of its work.

``python -m stock_platform_tests.support.google.crash_mid_load POINT FIRST LAST ASSET...``
materializes assets of a range; POINT is ``never``, ``before-commit`` or ``while-committing``.
"""

import os
import signal
import sys
from typing import Any

import dagster as dg

from stock_platform.lake import commits
from stock_platform.warehouse.bigquery_jobs import BigQueryJobs
from stock_platform_tests.support.platform_fixture import range_tags


def die(*_: Any, **__: Any) -> Any:
    """End this process at once: no handler, no finally."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(point: str, first: str, last: str, *assets: str) -> int:
    """Materialize; returns the exit code."""
    from stock_platform.definitions import defs  # noqa: PLC0415 - reads the environment

    if point == "before-commit":
        BigQueryJobs.transaction = die  # type: ignore[method-assign]
    if point == "while-committing":
        commits.append = die
    job = dg.define_asset_job("some", dg.AssetSelection.assets(*assets).without_checks())
    merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.get() as instance:
        result = merged.resolve_job_def("some").execute_in_process(
            instance=instance, tags=range_tags(first, last), raise_on_error=False
        )
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
