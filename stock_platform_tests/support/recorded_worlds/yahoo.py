"""An HTTP session that serves recorded files to the real yfinance client, in Yahoo's chart JSON.

Like `stock_platform.market_data.sample`, but nothing is derived: nulls and infinities of a file are
served unchanged.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from fractions import Fraction
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd
from curl_cffi.requests import Response
from curl_cffi.requests.session import HttpMethod

from stock_platform.calendars import SessionHours
from stock_platform.market_data.recording_session import RecordingHttpSession
from stock_platform_tests.support.recorded_worlds.files import RecordedFile, exchanges
from stock_platform_tests.support.recorded_worlds.history import NUMBERS, history, hours

_CHART: Final = "/v8/finance/chart/"
_KINDS: Final = {
    "Dividends": "dividends",
    "Capital Gains": "capitalGains",
    "Stock Splits": "splits",
}
# The local opening time of days that are missing in the calendar.
_USUAL_OPENING: Final = time(9, 30)


class Recorded:
    """One file in Yahoo's format.

    Attributes:
        days: dates of the file's rows, ascending.
    """

    def __init__(self, file: RecordedFile) -> None:
        self.file = file
        self._rows = history(file)
        self.days: list[date] = list(self._rows.index)

    @cached_property
    def hours(self) -> dict[date, SessionHours]:
        """The exchange's sessions from the first row to the last."""
        first, last = self.days[0], self.days[-1]
        return {k: v for k, v in hours(self.file.company["mic"]).items() if first <= k <= last}

    @property
    def sessions(self) -> list[date]:
        """Sessions that can have a bar: for weekly bars, the first session of each week."""
        return [day for day in self.hours if self.file.interval != "1wk" or day in self.days]

    def chart(self, first: int, end: int) -> dict[str, Any]:
        """The response for the rows stamped within ``[first, end)``."""
        stamps = {self._stamp(day): day for day in self.days}
        asked = {stamp: day for stamp, day in stamps.items() if first <= stamp < end}
        rows = self._rows.loc[list(asked.values())]
        quote = {name.lower(): list(map(_number, rows[name])) for name in NUMBERS}
        quote["volume"] = [value if value is None else int(value) for value in quote["volume"]]
        result: dict[str, Any] = {"meta": self._meta(), "timestamp": list(asked)}
        result["indicators"] = {
            "adjclose": [{"adjclose": quote.pop("adj close")}],
            "quote": [quote],
        }
        if events := _events(rows, list(asked)):
            result["events"] = events
        return {"chart": {"result": [result], "error": None}}

    @property
    def last_stamp(self) -> int:
        """The stamp of the last row."""
        return self._stamp(self.days[-1])

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(exchanges()[self.file.company["mic"]]["timezone"])

    def _stamp(self, day: date) -> int:
        usual = datetime.combine(day, _USUAL_OPENING, self._zone)
        return int((self.hours[day].opens_at if day in self.hours else usual).timestamp())

    def _meta(self) -> dict[str, Any]:
        company, last = self.file.company, self.days[-1]
        opening, closing = self.last_stamp, self.last_stamp + 23_400
        if last in self.hours:
            closing = int(self.hours[last].closes_at.timestamp())
        local = datetime.fromtimestamp(opening, self._zone)
        zone = {"timezone": local.tzname(), "gmtoffset": int(local.utcoffset().total_seconds())}
        unit = company["price_unit_in_file"]
        return {
            # AET.L mixes pounds and pence, which is its defect; Yahoo reports pence.
            "currency": company["currency"] if unit.startswith("mixed") else unit,
            "symbol": self.file.symbol,
            "exchangeName": company["yahoo_exchange_code"],
            "instrumentType": company["instrument_type"],
            "firstTradeDate": self._stamp(self.days[0]),
            "regularMarketTime": closing,
            "regularMarketPrice": _number(self._rows["Close"].iloc[-1]),
            "exchangeTimezoneName": self._zone.key,
            "priceHint": 2,
            "currentTradingPeriod": {
                "pre": {"start": opening, "end": opening, **zone},
                "regular": {"start": opening, "end": closing, **zone},
                "post": {"start": closing, "end": closing, **zone},
            },
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
            **zone,
        }


class RecordedSession(RecordingHttpSession):
    """Serves charts of the recorded files without network."""

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        super().__init__()
        self._recorded = {source.file.symbol: source for source in recorded}

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:  # noqa: ARG002
        """Return a chart, or a crumb for all other requests."""
        path = urlsplit(url).path
        if not path.startswith(_CHART):
            return _response(url, b"crumb")
        recorded = self._recorded[unquote(path.removeprefix(_CHART))]
        params: Mapping[str, Any] = options.get("params") or {}
        last = recorded.last_stamp
        first, end = int(params.get("period1", last)), int(params.get("period2", last + 1))
        return _response(url, json.dumps(recorded.chart(first, end)).encode())


def _events(rows: pd.DataFrame, stamps: list[int]) -> dict[str, Any]:
    events: dict[str, Any] = {}
    for column, kind in _KINDS.items():
        events_of_kind = {
            str(stamp): {"date": stamp, **_event(kind, value)}
            for stamp, value in zip(stamps, rows[column], strict=True)
            if value != 0
        }
        if events_of_kind:
            events[kind] = events_of_kind
    return events


def _event(kind: str, value: float) -> dict[str, Any]:
    if kind != "splits":
        return {"amount": value}
    ratio = Fraction(value).limit_denominator(1000)
    return {
        "numerator": float(ratio.numerator),
        "denominator": float(ratio.denominator),
        "splitRatio": f"{ratio.numerator}:{ratio.denominator}",
    }


def _number(value: float) -> float | None:
    """Return None for missing numbers; infinities stay."""
    return None if pd.isna(value) else float(value)


def _response(url: str, body: bytes) -> Response:
    response = Response()
    response.url, response.status_code, response.content = url, HTTPStatus.OK, body
    response.ok = True
    return response
