"""Prices in the raw layer: what Yahoo said, kept as it said it."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import dagster as dg

from stock_platform.assets.common import OWNERS, session_keys
from stock_platform.calendars import sessions
from stock_platform.lake.raw_erp import ErpFacts
from stock_platform.lake.raw_prices import RawPriceSpool
from stock_platform.partitions import RANGE_RUNS
from stock_platform.resources import MarketDataResource
from stock_platform.sources.erp_history import active_days
from stock_platform.sources.outcomes import PriceRequest
from stock_platform.sources.universe import fetch_universe

GROUP: Final = "raw"
# A line of progress for each so many symbols: about every ten seconds at two requests a second.
_PROGRESS_EVERY: Final = 20


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
        raw_erp_companies: ErpFacts,
        market_data: MarketDataResource,
    ) -> dg.MaterializeResult[RawPriceSpool]:
        """Yahoo's daily prices of every active company, as answered, with a typed outcome each.

        One request a symbol for the whole range, asked to today, so that splits after a session
        are known. A symbol without a price still has a line, whose outcome says why. Numbers
        are Yahoo's own: split-adjusted as of `fetched_at`.
        """
        keys = session_keys(context, days)
        requests = list(_requests(raw_erp_companies, keys))
        mics = {it.exchange for it in requests}
        for mic, days_lost in _sessions_without_partition(mics, keys).items():
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


def _sessions_without_partition(mics: Iterable[str], keys: list[str]) -> dict[str, int]:
    """By exchange: its own sessions within the range that are no partition."""
    first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
    asked = {date.fromisoformat(key) for key in keys}
    lost = {mic: len(set(sessions(mic, first, last)) - asked) for mic in sorted(set(mics))}
    return {mic: count for mic, count in lost.items() if count}


def _requests(companies: ErpFacts, keys: list[str]) -> Iterator[PriceRequest]:
    """A request for each symbol, with the sessions on which it was active."""
    for (mic, symbol), days in sorted(active_days(companies.facts, keys).items()):
        open_sessions = frozenset(sessions(mic, days[0], days[-1])).intersection(days)
        yield PriceRequest(symbol, mic, days, open_sessions)
