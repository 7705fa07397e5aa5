"""Asset of the raw layer: prices as Yahoo returned them."""

from collections.abc import Iterable
from datetime import date
from typing import Final

import dagster as dg
from pydantic import Field

from stock_platform.calendars import sessions
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.raw_runs import RawRun
from stock_platform.orchestration.assets.common import OWNERS, session_keys
from stock_platform.orchestration.fetch import plan_fetch, run_fetch
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import LakeResource, MarketDataResource
from stock_platform.plain_text import pluralise
from stock_platform.settings.quality import QualityLimits

GROUP: Final = "raw"


class RawPricesConfig(dg.Config):
    """Run configuration of a fetch."""

    symbols: list[str] = Field(
        default=[],
        description="Fetch these symbols only. Sessions count as fetched only without a limit.",
    )


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
        config: RawPricesConfig,
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
        fetch = plan_fetch(raw_erp_companies, keys, config.symbols)
        mics = {request.exchange for request in fetch.requests}
        for mic, count in _sessions_without_partition(mics, keys).items():
            context.log.warning(
                f"{mic} has {pluralise(count, 'session')} in the range that no partition covers: "
                "their prices and corporate actions are not stored. Add "
                f"{mic} to STOCK_PLATFORM_EXCHANGES"
            )
        run = run_fetch(context, lake.paths, market_data, fetch, limits)
        return dg.MaterializeResult(
            value=run,
            metadata={
                "symbols": len(fetch.requests),
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
