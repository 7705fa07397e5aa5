"""A lake and a warehouse filled with recorded files, by the functions that the assets call.

Without Dagster, because the events of up to 6,259 sessions would take longer than the work.
Everything else is real: yfinance, raw records, Sail, commits, DuckDB.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from stock_platform.lake import raw_run_writer, raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.lake.raw_run_writer import RawRunWriter
from stock_platform.lake.raw_runs import RunName
from stock_platform.lake.staging import BatchInputs
from stock_platform.market_data.fetch_all import fetch_all
from stock_platform.market_data.models import PriceRequest
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform.orchestration.batches import BatchRunner
from stock_platform.settings.quality import QualityLimits
from stock_platform.spark.sail import SailRunner
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.load import apply_pending
from stock_platform_tests.support.recorded_worlds.dimensions import load_dimensions
from stock_platform_tests.support.recorded_worlds.files import RecordedFile
from stock_platform_tests.support.recorded_worlds.yahoo import Recorded, RecordedSession

# Sessions per batch. More than a year's 252, because a batch has a high fixed cost.
_BATCH: Final = 2000


@dataclass(frozen=True)
class World:
    """One set of files, loaded into the warehouse.

    Attributes:
        sessions: of any of the exchanges within the dates of its files.
        recorded: the files in Yahoo's format, by symbol.
        asked: the sessions requested of each symbol.
    """

    name: str
    paths: LakePaths
    warehouse: DuckDBWarehouse
    sessions: list[str]
    recorded: Mapping[str, Recorded]
    asked: Mapping[str, frozenset[str]]

    @property
    def files(self) -> dict[str, RecordedFile]:
        """The files by symbol."""
        return {symbol: found.file for symbol, found in self.recorded.items()}

    @property
    def rows(self) -> dict[str, int]:
        """The number of days in each symbol's file."""
        return {symbol: len(found.days) for symbol, found in self.recorded.items()}


def build(name: str, recorded_files: Sequence[RecordedFile], folder: Path) -> World:
    """Fill a world.

    A symbol is requested from its file's first day to its last, as if it had been listed only then.
    It is inactive in the ERP after that, because there is no later price.
    """
    recorded = {file.symbol: Recorded(file) for file in recorded_files}
    days = sorted({day for found in recorded.values() for day in found.sessions})
    requests = [_request(found, days) for found in recorded.values()]
    paths = LakePaths(str(folder / "lake"))
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    warehouse.create_tables()
    load_dimensions(paths, warehouse, recorded_files, days)
    sessions = [day.isoformat() for day in days]
    batches = [sessions[at : at + _BATCH] for at in range(0, len(sessions), _BATCH)]
    _fetch(paths, list(recorded.values()), requests, batches, folder)
    for batch in batches:
        _process(paths, batch, list(recorded))
    apply_pending(paths, warehouse, read_state(paths))
    asked = {each.symbol: frozenset(map(date.isoformat, each.sessions)) for each in requests}
    return World(name, paths, warehouse, sessions, recorded, asked)


def _request(recorded: Recorded, days: Sequence[date]) -> PriceRequest:
    first, last = recorded.days[0], recorded.days[-1]
    asked = [day for day in days if first <= day <= last]
    if recorded.file.interval == "1wk":
        asked = recorded.sessions
    open_sessions = frozenset(asked) & frozenset(recorded.hours)
    return PriceRequest(
        recorded.file.symbol,
        f"C-{recorded.file.symbol}",
        recorded.file.company["mic"],
        tuple(asked),
        open_sessions,
    )


def _fetch(
    paths: LakePaths,
    recorded: Sequence[Recorded],
    requests: Sequence[PriceRequest],
    batches: Sequence[Sequence[str]],
    folder: Path,
) -> None:
    """Do the work of `raw_stock_prices` and its IO manager: one run per batch of sessions."""
    client = YahooClient(RecordedSession(recorded), folder / "yfinance")
    now = datetime.now(UTC)
    writers = [
        RawRunWriter(paths, RunName(now, batch[0], batch[-1], "recorded"), now) for batch in batches
    ]
    for result in fetch_all(client, requests):
        for writer, batch in zip(writers, batches, strict=True):
            first, last = batch[0], batch[-1]
            found = (record for record in result.records if first <= record["session_date"] <= last)
            writer.add(replace(result, records=tuple(found)))
    client.close()
    for writer, batch in zip(writers, batches, strict=True):
        raw_run_writer.commit(paths, writer.finish(requests, batch, datetime.now(UTC)))


def _process(paths: LakePaths, sessions: Sequence[str], symbols: Sequence[str]) -> None:
    """Do the work of `processed_stock_prices`."""
    runner = BatchRunner(
        paths,
        lambda batch: SailRunner().run(batch, lambda _: None),
        "recorded",
        logging.getLogger("recorded_worlds"),
        symbols,
        QualityLimits(quarantined_share=1),
    )
    done = runner.process(BatchInputs(sessions, raw_runs.runs_of(paths, sessions)))
    assert done.commit.kind == "batch", done.commit.reasons
