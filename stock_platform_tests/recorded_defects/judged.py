"""What each rule says of a recorded history: the platform's own rules and warehouse view."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.limits import QualityLimits
from stock_platform.quality.measures.lake import _broken_bars
from stock_platform.quality.measures.returns import session_returns
from stock_platform.quality.measures.series import with_neighbours
from stock_platform.quality.rules import bars as rules
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.recorded_defects.recorded import History

LIMITS = QualityLimits()
SERIES_RULES = (
    rules.unit_scale,
    rules.unexplained_move,
    rules.split_applied,
    rules.stale_price,
    rules.dividend_plausible,
)
FETCHED_AT = datetime(2026, 11, 22, tzinfo=UTC)
COMMON = {"ExchangeCode": "XNYS", "FetchedAt": FETCHED_AT, "BatchId": "recorded"}


def verdicts(history: History, folder: Path) -> pd.DataFrame:
    """Check, Session, Error and Text of everything that offends in a file."""
    found = list(_offenders(history, folder))
    columns = ["Check", "Session", "Error", "Text"]
    return pd.concat(found) if found else pd.DataFrame(columns=columns)


def _offenders(history: History, folder: Path) -> Iterator[pd.DataFrame]:
    bars = with_neighbours(history.bars.drop(columns="AdjClose"), history.actions, LIMITS)
    for rule in SERIES_RULES:
        yield rule(bars, LIMITS).assign(Check=rule.__name__)
    returns = session_returns(_warehouse(history, folder), list(history.bars["Session"])).bars
    yield rules.adjusted_close_agrees(returns, LIMITS).assign(Check="adjusted_close_agrees")
    for session in history.null_bars:
        yield _quarantined("no_null_bars", session)
    for session, broken in _broken_bars(history.bars).items():
        if "ohlc_inconsistent" in broken:
            yield _quarantined("ohlc_consistent", session)


def _quarantined(check: str, session: str) -> pd.DataFrame:
    """The Spark job keeps such a bar out, and its check warns."""
    return pd.DataFrame([{"Check": check, "Session": session, "Error": False, "Text": check}])


def _warehouse(history: History, folder: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(folder / "w.duckdb")
    warehouse.create_tables()
    for table, rows in (
        (FACT_STOCK_PRICE, history.bars),
        (FACT_CORPORATE_ACTION, history.actions),
    ):
        days = [date.fromisoformat(session) for session in rows["Session"]]
        keys = [int(session.replace("-", "")) for session in rows["Session"]]
        typed = rows.assign(TradeDate=days, DateKey=keys, **COMMON).to_dict("records")
        content = pa.Table.from_pylist(typed, schema=arrow_schema(table))
        pq.write_table(content, folder / "rows.parquet")
        whole = sorted({*days, *warehouse.read(table)["TradeDate"].to_pylist()})
        warehouse.replace_sessions(table, [str(folder / "rows.parquet")], whole, len(rows))
    return warehouse
