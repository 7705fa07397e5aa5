"""Asset of the raw layer: prices as Yahoo returned them."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import dagster as dg

from stock_platform.calendars import sessions
from stock_platform.erp.history import active_days
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.raw_prices import RawPriceBuffer
from stock_platform.market_data.fetch_all import fetch_all
from stock_platform.market_data.models import PriceRequest
from stock_platform.orchestration.assets.common import OWNERS, PROGRESS, session_keys
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import MarketDataResource
from stock_platform.plain_text import pluralise

GROUP: Final = "raw"
# Symbols per progress message: one about every ten seconds at two requests per second.
_PROGRESS_EVERY: Final = 20


def raw_stock_prices_asset(days: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    """Build the asset that fetches prices over the deployment's trading days."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"yahoo", "json"},
        io_manager_key="raw_json",
        partitions_def=days,
        backfill_policy=YEARLY_BACKFILL,
        pool="yahoo",
        code_version="1",
        metadata={"grain": "one record per symbol and session, in one object per session"},
    )
    def raw_stock_prices(
        context: dg.AssetExecutionContext,
        raw_erp_companies: ErpSnapshot,
        market_data: MarketDataResource,
    ) -> dg.MaterializeResult[RawPriceBuffer]:
        """Daily prices of every active company as returned by Yahoo, with a typed outcome.

        One request per symbol covers the whole range up to today, so that all later splits are
        known. A symbol without a price still has a record, whose outcome gives the reason. Numbers
        are unchanged: split-adjusted as of `fetched_at`.
        """
        keys = session_keys(context, days)
        requests = list(_requests(raw_erp_companies, keys))
        mics = {request.exchange for request in requests}
        for mic, count in _sessions_without_partition(mics, keys).items():
            context.log.warning(
                f"{mic} has {pluralise(count, 'session')} in the range that no partition covers: "
                "their prices and corporate actions are not stored. Add "
                f"{mic} to STOCK_PLATFORM_EXCHANGES"
            )
        buffer = RawPriceBuffer()
        with market_data.client() as client:
            for done, result in enumerate(fetch_all(client, requests), start=1):
                buffer.archive(result.responses)
                buffer.add(result.records)
                if done % _PROGRESS_EVERY == 0 or done == len(requests):
                    context.log.info(
                        f"fetched {done} of {len(requests)} symbols "
                        f"for {pluralise(len(keys), 'trading day')}, last {result.symbol}",
                        extra={PROGRESS: (done, len(requests))},
                    )
        return dg.MaterializeResult(
            value=buffer,
            metadata={
                "symbols": len(requests),
                "first_trading_day": keys[0],
                "last_trading_day": keys[-1],
            },
        )

    return raw_stock_prices


def _sessions_without_partition(mics: Iterable[str], keys: list[str]) -> dict[str, int]:
    """Count per exchange the sessions that are no trading day of the deployment, in the range."""
    first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
    partitions = {date.fromisoformat(key) for key in keys}
    missing = {mic: len(set(sessions(mic, first, last)) - partitions) for mic in sorted(set(mics))}
    return {mic: count for mic, count in missing.items() if count}


def _requests(companies: ErpSnapshot, keys: list[str]) -> Iterator[PriceRequest]:
    """Yield one request per symbol, with the trading days on which the company was active."""
    for (mic, symbol), days in sorted(active_days(companies.records, keys).items()):
        open_sessions = frozenset(sessions(mic, days[0], days[-1])).intersection(days)
        yield PriceRequest(symbol, mic, days, open_sessions)
