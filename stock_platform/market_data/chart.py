"""Parser of Yahoo's v8 chart response. No number is filled, rounded or rescaled.

Belongs here: the content of one symbol's response. ``price_records`` derives the outcome of
each session from it.

yfinance's own data frame is not used, because it fills null volumes with 0 and turns splits
into floats.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from itertools import chain
from operator import itemgetter

from pydantic import JsonValue, ValidationError

from stock_platform.errors import StockPlatformError
from stock_platform.market_data.chart_schema import (
    LATEST_STAMP,
    Cash,
    ChartJson,
    Meta,
    Result,
    SplitEvent,
    readable_number,
)
from stock_platform.market_data.chart_sessions import live_session, session_of

Number = int | float


class ChartError(StockPlatformError):
    """The response is not a readable daily chart."""


class YahooResponseError(ChartError):
    """Yahoo returned an error instead of a chart.

    Attributes:
        code: Yahoo's error code, for example ``Not Found``.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices and volume of one session, in the chart's currency, split-adjusted as of the fetch."""

    open: Number | None
    high: Number | None
    low: Number | None
    close: Number | None
    adj_close: Number | None
    volume: Number | None

    @property
    def values(self) -> int:
        """Return the number of values that are present."""
        return sum(value is not None for value in astuple(self))

    @property
    def has_all_prices(self) -> bool:
        """Return whether open, high, low and close are all present."""
        return None not in (self.open, self.high, self.low, self.close)

    @property
    def has_no_price(self) -> bool:
        """Return whether open, high, low and close are all null."""
        return {self.open, self.high, self.low, self.close} == {None}


@dataclass(frozen=True, slots=True)
class Split:
    """``numerator`` new shares per ``denominator`` old ones."""

    numerator: Number
    denominator: Number


@dataclass(frozen=True, slots=True)
class ParsedChart:
    """Daily chart of one symbol. All dates are local to the exchange.

    Attributes:
        first_trade_date: first session known to Yahoo, if given.
        bars: by session. Of several rows of a session, the one with the most values wins, then the
            last one: Yahoo repeats the running session in an extra row.
        dividends: cash per share by ex-date, split-adjusted as of the fetch.
        dividend_currencies: their currencies by ex-date, where Yahoo gives one.
        capital_gains: cash per share by ex-date, split-adjusted as of the fetch.
        splits: by ex-date.
        unusable_events: corporate actions as JSON by ex-date; None if that is unreadable too.
        live_session: the session of the last bar, if that bar is not final.
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
    unusable_events: Mapping[date | None, list[str]]
    live_session: date | None


def read_chart(body: bytes | str, fetched_at: datetime) -> ParsedChart:
    """Parse a chart response.

    Args:
        body: the response body as received.
        fetched_at: time of arrival, with a time zone.

    Raises:
        YahooResponseError: Yahoo returned an error.
        ChartError: the body is not JSON, not a chart of one symbol, not daily, or its columns
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
        raise YahooResponseError(chart.error.code, chart.error.description or "")
    if chart.result is None or len(chart.result) != 1:
        raise ChartError("not the chart of exactly one symbol")
    return _parsed(chart.result[0], fetched_at)


def _parsed(result: Result, fetched_at: datetime) -> ParsedChart:
    meta, events = result.meta, result.events
    if meta.data_granularity != "1d":
        raise ChartError(f"bars of {meta.data_granularity} instead of 1d")
    first = meta.first_trade_date
    rows = _rows(result)
    dividends = [event for event in events.dividends.values() if isinstance(event, Cash)]
    gains = [event for event in events.capital_gains.values() if isinstance(event, Cash)]
    splits = [event for event in events.splits.values() if isinstance(event, SplitEvent)]
    return ParsedChart(
        symbol=meta.symbol,
        currency=meta.currency,
        timezone=meta.exchange_timezone_name.key,
        first_trade_date=None if first is None else session_of(first, meta),
        bars={session: bar for session, (_, bar) in rows.items()},
        dividends=_cash_by_ex_date(dividends, meta),
        dividend_currencies={
            session_of(dividend.date, meta): dividend.currency
            for dividend in dividends
            if dividend.currency
        },
        capital_gains=_cash_by_ex_date(gains, meta),
        splits=_splits_by_ex_date(splits, meta),
        unusable_events=_unusable_by_ex_date(
            chain(events.dividends.values(), events.capital_gains.values(), events.splits.values()),
            meta,
        ),
        live_session=live_session(rows[max(rows)][0], meta, fetched_at) if rows else None,
    )


def _rows(result: Result) -> dict[date, tuple[int, Bar]]:
    """Return the bar of each session, with its timestamp."""
    timestamps, indicators = result.timestamp, result.indicators
    quote, adjusted = indicators.quote[0], indicators.adjclose
    adj_close = adjusted[0].adjclose if adjusted else [None] * len(timestamps)
    columns = (quote.open, quote.high, quote.low, quote.close, adj_close, quote.volume)
    lengths = [len(column) for column in columns]
    if set(lengths) != {len(timestamps)}:
        raise ChartError(f"{len(timestamps)} timestamps, but columns of {lengths} values")
    found: dict[date, tuple[int, Bar]] = {}
    rows = zip(timestamps, zip(*columns, strict=True), strict=True)
    for timestamp, row in sorted(rows, key=itemgetter(0)):
        session, bar = session_of(timestamp, result.meta), Bar(*row)
        if session not in found or bar.values >= found[session][1].values:
            found[session] = timestamp, bar
    return found


def _cash_by_ex_date(events: Iterable[Cash], meta: Meta) -> dict[date, Number]:
    """Sum amounts by ex-date: a regular and a special dividend may share one."""
    amounts: dict[date, Number] = {}
    for event in events:
        day = session_of(event.date, meta)
        amounts[day] = amounts[day] + event.amount if day in amounts else event.amount
    return amounts


def _splits_by_ex_date(events: Iterable[SplitEvent], meta: Meta) -> dict[date, Split]:
    """Multiply ratios by ex-date, if there are several."""
    splits: dict[date, Split] = {}
    for event in events:
        day = session_of(event.date, meta)
        earlier = splits.get(day, Split(1, 1))
        numerator = readable_number(earlier.numerator * event.numerator)
        denominator = readable_number(earlier.denominator * event.denominator)
        if numerator is not None and denominator is not None:
            splits[day] = Split(numerator, denominator)
    return splits


def _unusable_by_ex_date(
    events: Iterable[Cash | SplitEvent | JsonValue], meta: Meta
) -> dict[date | None, list[str]]:
    unusable: dict[date | None, list[str]] = {}
    for event in events:
        day: date | None = None
        match event:
            case Cash() | SplitEvent():
                continue
            case {"date": int(stamp)} if abs(stamp) <= LATEST_STAMP:
                day = session_of(stamp, meta)
        unusable.setdefault(day, []).append(json.dumps(event))
    return unusable
