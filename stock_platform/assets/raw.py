"""The raw layer: what the ERP and Yahoo said, kept as they said it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, Final

import dagster as dg

from stock_platform.assets.common import OWNERS, session_keys
from stock_platform.calendars import sessions
from stock_platform.lake.paths import ErpKind
from stock_platform.lake.raw_erp import ErpBatch, current_rows, newest_file
from stock_platform.lake.raw_prices import RawPriceSpool
from stock_platform.partitions import RANGE_RUNS
from stock_platform.resources import LakeResource, MarketDataResource
from stock_platform.sources.erp import ErpFile, is_active, read_companies, read_exchanges
from stock_platform.sources.outcomes import PriceRequest
from stock_platform.sources.universe import fetch_universe

GROUP: Final = "raw"
_READERS: Final = {
    "companies": (read_companies, "TICKER"),
    "exchanges": (read_exchanges, "EXCH_CODE"),
}
# A line of progress for each so many symbols: about every ten seconds at two requests a second.
_PROGRESS_EVERY: Final = 20


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "json"},
    io_manager_key="raw_json",
    code_version="1",
)
def raw_erp_companies(lake: LakeResource) -> ErpBatch:
    """Companies of the newest ERP export in the landing folder: the universe of symbols.

    Rows that break the contract are kept beside the accepted ones, each with its line and
    reason.
    """
    return _erp_batch(lake, "companies")


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "json"},
    io_manager_key="raw_json",
    code_version="1",
)
def raw_erp_exchanges(lake: LakeResource) -> ErpBatch:
    """Exchanges of the newest ERP export in the landing folder."""
    return _erp_batch(lake, "exchanges")


def raw_stock_prices_asset(days: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that fetches prices, over the deployment's trading days."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"yahoo", "json"},
        io_manager_key="raw_json",
        partitions_def=days,
        backfill_policy=RANGE_RUNS,
        pool="yahoo",
        code_version="1",
        metadata={"grain": "one line a symbol and session, in an object a session"},
    )
    def raw_stock_prices(
        context: dg.AssetExecutionContext,
        raw_erp_companies: ErpBatch,
        market_data: MarketDataResource,
    ) -> dg.MaterializeResult[RawPriceSpool]:
        """Yahoo's daily prices of every active company, as answered, with a typed outcome each.

        One request a symbol for the whole range, asked to today, so that splits after a session
        are known. A symbol without a price still has a line, whose outcome says why. Numbers
        are Yahoo's own: split-adjusted as of `fetched_at`.
        """
        keys = session_keys(context, days)
        requests = list(_requests(raw_erp_companies, keys))
        for mic, days_lost in _sessions_without_partition(requests).items():
            context.log.warning(
                f"{mic} was open on {days_lost} days of the range that are no partition: their "
                f"prices and corporate actions are not kept; add {mic} to EXCHANGES"
            )
        spool = RawPriceSpool()
        with market_data.client() as client:
            for done, answer in enumerate(fetch_universe(client, requests), start=1):
                spool.archive(answer.responses)
                spool.add(answer.lines)
                if done % _PROGRESS_EVERY == 0 or done == len(requests):
                    context.log.info(
                        f"fetched {done} of {len(requests)} symbols "
                        f"for {len(keys)} sessions, last {answer.symbol}"
                    )
        return dg.MaterializeResult(
            value=spool,
            metadata={"symbols": len(requests), "first_session": keys[0], "last_session": keys[-1]},
        )

    return raw_stock_prices


def _erp_batch(lake: LakeResource, kind: ErpKind) -> ErpBatch:
    """The rows of the newest file, and those of the batch before whose key it lacks.

    A key that vanished, or whose row was rejected, keeps its last good row: one bad line must
    not take a company's history out of the warehouse.
    """
    file = newest_file(lake.paths, kind)
    read, key = _READERS[kind]
    rows: ErpFile = read(file.content)
    stamp = {"SOURCE_FILE": file.name, "LOADED_AT": datetime.now(UTC).isoformat()}
    accepted = {row[key]: {**row, **stamp} for row in rows.accepted}
    known = {row[key]: row for row in current_rows(lake.paths, kind)}
    rejected: list[dict[str, Any]] = [
        {"line": row.line, "reason": row.reason, "record": row.record} for row in rows.rejected
    ]
    return ErpBatch(
        kind=kind,
        generation=file.generation,
        source_file=file.name,
        accepted=list((known | accepted).values()),
        rejected=rejected,
    )


def _sessions_without_partition(requests: list[PriceRequest]) -> dict[str, int]:
    """By exchange: its own sessions within the range that are not asked for."""
    lost = {}
    for mic, asked in {it.exchange: it.sessions for it in requests}.items():
        count = len(set(sessions(mic, asked[0], asked[-1])).difference(asked))
        if count:
            lost[mic] = count
    return lost


def _requests(companies: ErpBatch, keys: list[str]) -> Iterator[PriceRequest]:
    """A request for each active company, with the sessions of its own exchange."""
    asked = tuple(date.fromisoformat(key) for key in keys)
    active = sorted(
        (row for row in companies.accepted if is_active(row)),
        key=lambda row: (row["EXCH_CODE"], row["TICKER"]),
    )
    for mic, rows in groupby(active, key=lambda row: row["EXCH_CODE"]):
        open_sessions = frozenset(sessions(mic, asked[0], asked[-1])).intersection(asked)
        for row in rows:
            yield PriceRequest(row["TICKER"], mic, asked, open_sessions)
