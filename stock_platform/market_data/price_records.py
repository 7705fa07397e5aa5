"""Raw price records: one per symbol and session, built from a Yahoo response.

Belongs here: the outcome of each session. The response as a whole is classified in
``classify``. Splits are undone later, by the Spark job.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from stock_platform.market_data.chart import Bar, ParsedChart, Split
from stock_platform.market_data.classify import FetchFailure, classify_response, final_response
from stock_platform.market_data.models import (
    HttpResponseRecord,
    Outcome,
    PriceRequest,
    RawBar,
    RawLaterSplit,
    RawPriceRecord,
    RawSplit,
    SymbolResult,
)

# Stands in for the chart that a failed request did not return.
_EMPTY_CHART: Final = ParsedChart("", None, "", None, {}, {}, {}, {}, {}, {}, None)


@dataclass(frozen=True, slots=True)
class _Provenance:
    fetched_at: str
    client: str
    response_sha256: str | None


def build_symbol_result(
    request: PriceRequest, responses: Sequence[HttpResponseRecord], client: str
) -> SymbolResult:
    """Build the raw records of one symbol from the responses to its requests.

    Args:
        request: the symbol and its sessions.
        responses: in order of arrival, at least one.
        client: name and version of the client, for example ``yfinance/1.7.0``.
    """
    final = final_response(responses)
    parsed = classify_response(request.symbol, final)
    digest = None if final.status is None else hashlib.sha256(final.body).hexdigest()
    source = _Provenance(final.fetched_at.isoformat(), client, digest)
    return SymbolResult(
        symbol=request.symbol,
        records=tuple(_record(request, session, parsed, source) for session in request.sessions),
        responses=tuple(responses),
    )


def _outcome(request: PriceRequest, session: date, parsed: ParsedChart | FetchFailure) -> Outcome:
    closed = session not in request.open_sessions
    if isinstance(parsed, FetchFailure):
        empty = parsed.outcome is Outcome.NULL_BAR
        return Outcome.NO_SESSION if closed and empty else parsed.outcome
    if closed:
        return Outcome.NO_SESSION
    bar, first = parsed.bars.get(session), parsed.first_trade_date
    if session == parsed.live_session:
        return Outcome.LIVE_BAR
    if bar is not None and bar.has_all_prices:
        return Outcome.OK
    if first is not None and session < first and (bar is None or bar.has_no_price):
        return Outcome.NOT_LISTED
    return Outcome.NULL_BAR


def _record(
    request: PriceRequest, session: date, parsed: ParsedChart | FetchFailure, source: _Provenance
) -> RawPriceRecord:
    chart = parsed if isinstance(parsed, ParsedChart) else _EMPTY_CHART
    bar, split = chart.bars.get(session), chart.splits.get(session)
    record = RawPriceRecord(
        symbol=request.symbol,
        security_id=request.security_id,
        session_date=session.isoformat(),
        outcome=_outcome(request, session, parsed),
        exchange=request.exchange,
        currency=chart.currency,
        bar=None if bar is None else _raw_bar(bar),
        dividend=chart.dividends.get(session),
        dividend_currency=chart.dividend_currencies.get(session),
        capital_gain=chart.capital_gains.get(session),
        split=None if split is None else _raw_split(split),
        later_splits=[
            RawLaterSplit(date=day.isoformat(), **_raw_split(later))
            for day, later in sorted(chart.splits.items())
            if day > session
        ],
        fetched_at=source.fetched_at,
        client=source.client,
        response_sha256=source.response_sha256,
        error=parsed.error if isinstance(parsed, FetchFailure) else None,
    )
    if unusable := _unusable_events(request, session, chart):
        record["unusable_events"] = unusable
    return record


def _unusable_events(request: PriceRequest, session: date, chart: ParsedChart) -> list[str]:
    """Return the unusable events of a session. Those without a readable date are of the last."""
    undated = chart.unusable_events.get(None, []) if session == request.sessions[-1] else []
    return [*chart.unusable_events.get(session, []), *undated]


def _raw_bar(bar: Bar) -> RawBar:
    return RawBar(
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        adj_close=bar.adj_close,
        volume=bar.volume,
    )


def _raw_split(split: Split) -> RawSplit:
    return RawSplit(numerator=split.numerator, denominator=split.denominator)
