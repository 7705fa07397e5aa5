"""From recorded answers to raw price lines, one a session.

Belongs here: what a session deserves of an answer. What the answer is, is in ``judgement``;
undoing splits is processing, and no part of a source.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from stock_platform.sources.chart import Bar, ChartAnswer, Split
from stock_platform.sources.judgement import Failure, deciding_answer, judge
from stock_platform.sources.outcomes import (
    HttpAnswer,
    Outcome,
    PriceRequest,
    RawBar,
    RawLaterSplit,
    RawPriceLine,
    RawResponse,
    RawSplit,
    SymbolAnswer,
)

# What a failure knows of the symbol.
_NO_CHART: Final = ChartAnswer("", None, "", None, {}, {}, {}, {}, {}, None)


@dataclass(frozen=True, slots=True)
class _Provenance:
    fetched_at: str
    client: str
    response_sha256: str | None


def symbol_answer(
    request: PriceRequest, answers: Sequence[HttpAnswer], client: str
) -> SymbolAnswer:
    """Make a symbol's lines of the answers recorded while its chart was asked for.

    Args:
        request: what was wanted.
        answers: in the order they came, at least one.
        client: who asked, for example ``yfinance/1.7.0``.
    """
    answer = deciding_answer(answers)
    verdict = judge(request.symbol, answer)
    digest = None if answer.status is None else hashlib.sha256(answer.body).hexdigest()
    source = _Provenance(answer.fetched_at.isoformat(), client, digest)
    return SymbolAnswer(
        symbol=request.symbol,
        lines=tuple(_line(request, session, verdict, source) for session in request.sessions),
        responses=tuple(_raw_response(a) for a in answers),
    )


def _outcome(request: PriceRequest, session: date, verdict: ChartAnswer | Failure) -> Outcome:
    closed = session not in request.open_sessions
    if isinstance(verdict, Failure):
        empty = verdict.outcome is Outcome.NULL_BAR
        return Outcome.NO_SESSION if closed and empty else verdict.outcome
    if closed:
        return Outcome.NO_SESSION
    bar, first = verdict.bars.get(session), verdict.first_trade_date
    if session == verdict.live_session:
        return Outcome.LIVE_BAR
    if bar is not None and bar.has_all_prices:
        return Outcome.OK
    if first is not None and session < first and (bar is None or bar.has_no_price):
        return Outcome.NOT_LISTED
    return Outcome.NULL_BAR


def _line(
    request: PriceRequest, session: date, verdict: ChartAnswer | Failure, source: _Provenance
) -> RawPriceLine:
    chart = verdict if isinstance(verdict, ChartAnswer) else _NO_CHART
    bar, split = chart.bars.get(session), chart.splits.get(session)
    return RawPriceLine(
        symbol=request.symbol,
        session_date=session.isoformat(),
        outcome=_outcome(request, session, verdict),
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
        error=verdict.error if isinstance(verdict, Failure) else None,
    )


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


def _raw_response(answer: HttpAnswer) -> RawResponse:
    return RawResponse(
        url=answer.url,
        status=answer.status,
        fetched_at=answer.fetched_at.isoformat(),
        body=answer.body.decode(errors="replace"),
        error=answer.error,
    )
