"""Fetch prices into a raw run: the requests of a universe, and one resumable run of them.

Belongs here: what the asset `raw_stock_prices` and the backfill of some securities share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from stock_platform.calendars import sessions
from stock_platform.erp.history import active_days
from stock_platform.erp.store import ErpSnapshot
from stock_platform.errors import StockPlatformError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_attempts import interrupted_run
from stock_platform.lake.raw_run_writer import RawRunWriter
from stock_platform.lake.raw_runs import RawRun, RunName
from stock_platform.market_data.fetch_all import fetch_all
from stock_platform.market_data.models import PriceRequest
from stock_platform.orchestration.assets.common import PROGRESS
from stock_platform.orchestration.resources import MarketDataResource, StepContext
from stock_platform.plain_text import pluralise
from stock_platform.quality.measures.raw import refusals
from stock_platform.settings.quality import QualityLimits

# Symbols per progress message: one about every ten seconds at two requests per second.
_PROGRESS_EVERY: Final = 20


class UnknownSymbolError(StockPlatformError):
    """A symbol was requested that no active security has in the sessions."""


@dataclass(frozen=True)
class Fetch:
    """The requests of one raw run.

    Attributes:
        sessions: ascending.
        requests: one per security and symbol.
        is_partial: whether the requests are limited to some symbols.
    """

    sessions: Sequence[str]
    requests: Sequence[PriceRequest]
    is_partial: bool


def plan_fetch(companies: ErpSnapshot, keys: Sequence[str], symbols: Sequence[str] = ()) -> Fetch:
    """Return one request per security and symbol, with the days on which it was active.

    Args:
        companies: records of the ERP.
        keys: the sessions, ascending.
        symbols: limits the requests to these symbols; by default all.

    Raises:
        UnknownSymbolError: no security is active under one of the symbols.
    """
    requests = list(_requests(companies, keys))
    if symbols:
        requests = [request for request in requests if request.symbol in symbols]
        unknown = sorted(set(symbols).difference(request.symbol for request in requests))
        if unknown:
            raise UnknownSymbolError(
                f"no security is active as {', '.join(unknown)} from {keys[0]} to {keys[-1]}: "
                "load its company from the ERP first"
            )
        asked = {day.isoformat() for request in requests for day in request.sessions}
        keys = [key for key in keys if key in asked]
    return Fetch(keys, requests, is_partial=bool(symbols))


def run_fetch(
    context: StepContext,
    paths: LakePaths,
    market_data: MarketDataResource,
    fetch: Fetch,
    limits: QualityLimits,
) -> RawRun:
    """Fetch into a raw run, whose manifest is not written yet.

    If the Dagster run is a retry, the raw run of the interrupted one goes on.
    """
    requests, keys = fetch.requests, fetch.sessions
    run_id = context.run.run_id
    retried = context.run.parent_run_id, context.run.root_run_id
    name = interrupted_run(paths, [run_id, *retried], keys)
    now = datetime.now(UTC)
    writer = RawRunWriter(paths, name or RunName(now, keys[0], keys[-1], run_id), now)
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
    run = writer.finish(requests, keys, datetime.now(UTC), is_partial=fetch.is_partial)
    return run.refused_for(refusals(run, limits))


def _requests(companies: ErpSnapshot, keys: Sequence[str]) -> Iterator[PriceRequest]:
    for listing, days in sorted(active_days(companies.records, keys).items()):
        open_sessions = frozenset(sessions(listing.exchange, days[0], days[-1]))
        yield PriceRequest(
            listing.symbol,
            listing.security_id,
            listing.exchange,
            days,
            open_sessions.intersection(days),
        )
