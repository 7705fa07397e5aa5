"""The processed layer as tests look at it."""

from typing import Any

from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.processed import read_state
from stock_platform.lake.versions import current_rows


def current(paths: LakePaths, table: ProcessedTable, *sessions: str) -> list[dict[str, Any]]:
    """The current rows of some sessions."""
    return current_rows(paths, read_state(paths), table, sorted(sessions)).to_pylist()


def metrics_of(paths: LakePaths, session: str) -> dict[str, Any]:
    """What the newest batch has measured for a session."""
    batch = read_state(paths).newest(session)
    return dict(batch.metrics[session])
