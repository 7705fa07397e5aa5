"""Yahoo's v8 chart answer as it stands: no number is filled, rounded or rescaled.

Belongs here: what the answer says of one symbol. What a session deserves because of it does
not (see ``lines``), nor how it was fetched (see ``transport``).

yfinance's own frame is not the source of the numbers, because it fills null volumes with 0
and turns splits into floats.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter

from pydantic import ValidationError

from stock_platform.sources.chart_json import LARGEST, Cash, ChartJson, Meta, Result, SplitEvent
from stock_platform.sources.chart_sessions import live_session, session_of

Number = int | float


class ChartError(ValueError):
    """The answer is no readable daily chart."""


class ChartRefusedError(ChartError):
    """Yahoo answered with an error instead of a chart.

    Attributes:
        code: Yahoo's word for it, for example ``Not Found``.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Bar:
    """One session's OHLCV in the answer's currency, split-adjusted as of the answer."""

    open: Number | None
    high: Number | None
    low: Number | None
    close: Number | None
    adj_close: Number | None
    volume: Number | None

    @property
    def has_all_prices(self) -> bool:
        """Whether open, high, low and close are all there."""
        return None not in (self.open, self.high, self.low, self.close)

    @property
    def has_no_price(self) -> bool:
        """Whether open, high, low and close are all null."""
        return {self.open, self.high, self.low, self.close} == {None}


@dataclass(frozen=True, slots=True)
class Split:
    """``numerator`` new shares for ``denominator`` old ones."""

    numerator: Number
    denominator: Number


@dataclass(frozen=True, slots=True)
class ChartAnswer:
    """One symbol's daily chart; every date is the exchange's local one.

    Attributes:
        first_trade_date: first session that Yahoo knows of, if it says so.
        bars: by session; of several rows of one session the last one, which is the newest:
            Yahoo repeats the running session in a row of its own.
        dividends: cash a share by ex-date, split-adjusted as of the answer.
        dividend_currencies: what they count, where Yahoo names it.
        capital_gains: cash a share by ex-date, split-adjusted as of the answer.
        splits: by ex-date.
        live_session: the last bar's session, if that bar is not final yet.
    """

    symbol: str
    currency: str | None
    timezone: str
    first_trade_date: date | None
    bars: Mapping[date, Bar]
    dividends: Mapping[date, Number]
    dividend_currencies: Mapping[date, str]
    capital_gains: Mapping[date, Number]
    splits: Mapping[date, Split]
    live_session: date | None


def read_chart(body: bytes | str, fetched_at: datetime) -> ChartAnswer:
    """Read a chart answer.

    Args:
        body: the answer as it came.
        fetched_at: when it came, with a time zone.

    Raises:
        ChartRefusedError: it is Yahoo's error.
        ChartError: it is no JSON, no chart, not of one symbol, not daily, or its columns
            differ in length.
    """
    try:
        chart = ChartJson.model_validate(json.loads(body)).chart
    except ValidationError as error:
        first = error.errors()[0]
        raise ChartError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise ChartError(f"not JSON: {error}") from error
    if chart.error is not None:
        raise ChartRefusedError(chart.error.code, chart.error.description or "")
    if chart.result is None or len(chart.result) != 1:
        raise ChartError("not the chart of one symbol")
    return _answer(chart.result[0], fetched_at)


def _answer(result: Result, fetched_at: datetime) -> ChartAnswer:
    meta, events = result.meta, result.events
    if meta.data_granularity != "1d":
        raise ChartError(f"bars of {meta.data_granularity}, not of a day")
    first = meta.first_trade_date
    return ChartAnswer(
        symbol=meta.symbol,
        currency=meta.currency,
        timezone=meta.exchange_timezone_name.key,
        first_trade_date=None if first is None else session_of(first, meta),
        bars=dict(_bars(result)),
        dividends=_cash(events.dividends.values(), meta),
        dividend_currencies={
            session_of(it.date, meta): it.currency
            for it in events.dividends.values()
            if it.currency
        },
        capital_gains=_cash(events.capital_gains.values(), meta),
        splits=_splits(events.splits.values(), meta),
        live_session=live_session(result, fetched_at),
    )


def _bars(result: Result) -> Iterator[tuple[date, Bar]]:
    quote, adjusted, stamps = (
        result.indicators.quote[0],
        result.indicators.adjclose,
        result.timestamp,
    )
    adj_close = adjusted[0].adjclose if adjusted else [None] * len(stamps)
    columns = (quote.open, quote.high, quote.low, quote.close, adj_close, quote.volume)
    if {len(column) for column in columns} != {len(stamps)}:
        raise ChartError(f"{len(stamps)} stamps for columns of {[len(c) for c in columns]}")
    rows = zip(stamps, zip(*columns, strict=True), strict=True)
    for stamp, row in sorted(rows, key=itemgetter(0)):
        yield session_of(stamp, result.meta), Bar(*row)


def _cash(events: Iterable[Cash], meta: Meta) -> dict[date, Number]:
    """Amounts by ex-date: a regular and a special one of the same day are added."""
    amounts: dict[date, Number] = {}
    for event in events:
        day = session_of(event.date, meta)
        amounts[day] = amounts[day] + event.amount if day in amounts else event.amount
    return amounts


def _splits(events: Iterable[SplitEvent], meta: Meta) -> dict[date, Split]:
    """Ratios by ex-date: two of the same day are multiplied."""
    splits: dict[date, Split] = {}
    for event in events:
        day = session_of(event.date, meta)
        earlier = splits.get(day, Split(1, 1))
        ratio = Split(earlier.numerator * event.numerator, earlier.denominator * event.denominator)
        if max(ratio.numerator, ratio.denominator) > LARGEST:
            raise ChartError(f"the splits of {day} multiply beyond all numbers")
        splits[day] = ratio
    return splits
