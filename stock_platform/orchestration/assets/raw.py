"""Asset of the raw layer: prices as Yahoo returned them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Final

import dagster as dg

from stock_platform.calendars import sessions
from stock_platform.erp.history import active_days
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.raw_attempts import interrupted_run
from stock_platform.lake.raw_run_writer import RawRunWriter
from stock_platform.lake.raw_runs import RawRun, RunName
from stock_platform.market_data.fetch_all import fetch_all
from stock_platform.market_data.models import PriceRequest
from stock_platform.orchestration.assets.common import OWNERS, PROGRESS, session_keys
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import LakeResource, MarketDataResource
from stock_platform.plain_text import pluralise
from stock_platform.quality.measures.raw import refusals
from stock_platform.settings.quality import QualityLimits

GROUP: Final = "raw"
# Symbols per progress message: one about every ten seconds at two requests per second.
_PROGRESS_EVERY: Final = 20


def raw_stock_prices_asset(
    days: dg.TimeWindowPartitionsDefinition, limits: QualityLimits
) -> dg.AssetsDefinition:
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
        metadata={"grain": "one record per symbol and session of a run"},
    )
    def raw_stock_prices(
        context: dg.AssetExecutionContext,
        raw_erp_companies: ErpSnapshot,
        market_data: MarketDataResource,
        lake: LakeResource,
    ) -> dg.MaterializeResult[RawRun]:
        """Daily prices of every active company as returned by Yahoo, with a typed outcome.

        One request per security and symbol covers the whole range up to today, so that all later
        splits are known. A symbol without a price still has a record, whose outcome gives the
        reason. Numbers are unchanged: split-adjusted as of `fetched_at`. Each run has objects of
        its own, which are never changed. A retried run goes on where the interrupted one stopped.
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
        run_id = context.run.run_id
        retried = context.run.parent_run_id, context.run.root_run_id
        name = interrupted_run(lake.paths, [run_id, *retried], keys)
        now = datetime.now(UTC)
        writer = RawRunWriter(lake.paths, name or RunName(now, keys[0], keys[-1], run_id), now)
        missing = writer.missing(requests)
        if len(missing) < len(requests):
            context.log.info(
                f"{len(requests) - len(missing)} of {len(requests)} symbols were fetched by the "
                "interrupted run"
            )
        with market_data.client() as client:
            results = fetch_all(client, missing)
            for done, result in enumerate(results, start=1 + len(requests) - len(missing)):
                writer.add(result)
                if done % _PROGRESS_EVERY == 0 or done == len(requests):
                    context.log.info(
                        f"fetched {done} of {len(requests)} symbols "
                        f"for {pluralise(len(keys), 'trading day')}, last {result.symbol}",
                        extra={PROGRESS: (done, len(requests))},
                    )
        run = writer.finish(requests, keys, datetime.now(UTC))
        return dg.MaterializeResult(
            value=run.refused_for(refusals(run, limits)),
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
    """Yield one request per security and symbol, with the days on which it was active."""
    for listing, days in sorted(active_days(companies.records, keys).items()):
        open_sessions = frozenset(sessions(listing.exchange, days[0], days[-1]))
        yield PriceRequest(
            listing.symbol,
            listing.security_id,
            listing.exchange,
            days,
            open_sessions.intersection(days),
        )
