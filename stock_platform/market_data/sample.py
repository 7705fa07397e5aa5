"""HTTP session that serves the bundled sample prices to yfinance, without a network.

Belongs here: the sample in Yahoo's chart JSON, as Yahoo would have returned it after the last
session. The prices and actions themselves are in ``sample_data``.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import orjson
from curl_cffi.requests import Response
from curl_cffi.requests.session import HttpMethod

from stock_platform.market_data.recording_session import RecordingHttpSession
from stock_platform.market_data.sample_data import Actions, TradedBar, derive_actions, traded_bars

_CHART: Final = "/v8/finance/chart/"
_ZONE: Final = ZoneInfo("America/New_York")
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16, 0)
# Yahoo's exchange codes and first trade dates, which are not in the bundled file.
_LISTINGS: Final = {
    "AAPL": ("NMS", date(1980, 12, 12)),
    "FB": ("NMS", date(2012, 5, 18)),
    "GOOG": ("NMS", date(2004, 8, 19)),
    "IBM": ("NYQ", date(1962, 1, 2)),
    "MSFT": ("NMS", date(1986, 3, 13)),
}
_UNKNOWN: Final = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}


class SampleHttpSession(RecordingHttpSession):
    """Stands in for Yahoo: charts of the sample's symbols, 404 for all others."""

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Return a response made from the sample. Nothing is sent."""
        path = urlsplit(url).path
        if not path.startswith(_CHART):  # cookie and crumb
            return _response(url, 200, b"sample")
        symbol = unquote(path.removeprefix(_CHART))
        if symbol not in traded_bars():
            return _response(url, 404, orjson.dumps(_UNKNOWN))
        first, end = _range(symbol, options.get("params") or {})
        return _response(url, 200, orjson.dumps(chart(symbol, first, end)))


def chart(symbol: str, first: int, end: int) -> dict[str, Any]:
    """Build Yahoo's response for a symbol of the sample, with rows and actions of ``[first, end)``.

    OHLC, volume and dividends are adjusted for the splits up to the sample's last session.
    The adjusted close is the file's, rescaled to the close of that session: the file was made
    years later and its adjusted close includes AAPL's 7:1 split of 2014.

    Args:
        symbol: a key of ``traded_bars()``.
        first: epoch seconds.
        end: epoch seconds.
    """
    bars, actions = traded_bars()[symbol], _actions(symbol)
    rows = [bar for bar in bars if first <= _stamp(bar.session) < end]
    result: dict[str, Any] = {"meta": _meta(symbol, bars[-1])}
    if rows:
        result["timestamp"] = [_stamp(bar.session) for bar in rows]
    if events := _events(actions, first, end):
        result["events"] = events
    result["indicators"] = _indicators(rows, actions, bars[-1])
    return {"chart": {"result": [result], "error": None}}


@cache
def _actions(symbol: str) -> Actions:
    return derive_actions(traded_bars()[symbol])


def _range(symbol: str, params: Mapping[str, Any]) -> tuple[int, int]:
    """Return the requested range in epoch seconds; without one (``range=1d``) the last session."""
    if "period1" in params:
        return int(params["period1"]), int(params["period2"])
    last = _stamp(traded_bars()[symbol][-1].session)
    return last, last + 1


def _stamp(session: date, at: time = _OPEN) -> int:
    return int(datetime.combine(session, at, _ZONE).timestamp())


def _meta(symbol: str, last: TradedBar) -> dict[str, Any]:
    exchange, first_trade_date = _LISTINGS[symbol]
    opening, closing = _stamp(last.session), _stamp(last.session, _CLOSE)
    zone = {"timezone": "EST", "gmtoffset": -18_000}  # of 2013-03-01, nine days before summer time
    return {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": exchange,
        "instrumentType": "EQUITY",
        "firstTradeDate": _stamp(first_trade_date),
        "regularMarketTime": closing,
        "regularMarketPrice": last.close,
        "exchangeTimezoneName": _ZONE.key,
        "priceHint": 2,
        "currentTradingPeriod": {
            "pre": {"start": _stamp(last.session, time(4)), "end": opening, **zone},
            "regular": {"start": opening, "end": closing, **zone},
            "post": {"start": closing, "end": _stamp(last.session, time(20)), **zone},
        },
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }


def _indicators(
    rows: Sequence[TradedBar], actions: Actions, last: TradedBar
) -> dict[str, list[dict[str, list[float]]]]:
    if not rows:
        return {"quote": [{}], "adjclose": [{}]}
    ratios = [actions.later_splits(bar.session) for bar in rows]
    adjusted = [(bar, float(ratio)) for bar, ratio in zip(rows, ratios, strict=True)]
    quote: dict[str, list[float]] = {
        "open": [bar.open / ratio for bar, ratio in adjusted],
        "high": [bar.high / ratio for bar, ratio in adjusted],
        "low": [bar.low / ratio for bar, ratio in adjusted],
        "close": [bar.close / ratio for bar, ratio in adjusted],
        "volume": [round(bar.volume * ratio) for bar, ratio in adjusted],
    }
    restated = last.close / last.adj_close
    return {
        "quote": [quote],
        "adjclose": [{"adjclose": [bar.adj_close * restated for bar in rows]}],
    }


def _events(actions: Actions, first: int, end: int) -> dict[str, Any]:
    """Return actions by type and timestamp, as Yahoo nests them. Empty types are left out."""
    dividends = {
        day: {"amount": amount / float(actions.later_splits(day))}
        for day, amount in actions.dividends.items()
    }
    splits = {
        day: {
            "numerator": ratio.numerator,
            "denominator": ratio.denominator,
            "splitRatio": f"{ratio.numerator}:{ratio.denominator}",
        }
        for day, ratio in actions.splits.items()
    }
    kinds = {
        "dividends": _stamped(dividends, first, end),
        "splits": _stamped(splits, first, end),
    }
    return {kind: events for kind, events in kinds.items() if events}


def _stamped(
    events: Mapping[date, Mapping[str, Any]], first: int, end: int
) -> dict[str, dict[str, Any]]:
    stamps = {_stamp(day): event for day, event in events.items()}
    return {str(s): {"date": s, **event} for s, event in stamps.items() if first <= s < end}


def _response(url: str, status: int, body: bytes) -> Response:
    response = Response()
    response.url, response.status_code, response.content = url, status, body
    response.ok = status < HTTPStatus.BAD_REQUEST
    return response
