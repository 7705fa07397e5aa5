"""A local Yahoo server, and small charts for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from stock_platform.market_data.models import PriceRequest
from stock_platform.market_data.sample import SampleHttpSession
from stock_platform_tests.support.local_server import Handler, local_server

CHART_PATH = "/query2.finance.yahoo.com/v8/finance/chart/"
MONDAY = date(2024, 6, 10)


@dataclass(frozen=True)
class Served:
    """One response of the server. A ``length`` above the body's breaks the connection early."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass
class Yahoo:
    """A local Yahoo. The charts of a symbol are served in turn, the last one repeatedly."""

    url: str = ""
    charts: dict[str, list[Served]] = field(default_factory=dict)
    time_zones: dict[str, Served] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def serve(self, symbol: str, *answers: Served) -> None:
        """Set a symbol's charts."""
        self.charts[symbol] = list(answers)

    def data_requests(self, symbol: str) -> list[str]:
        """Return the paths that requested a symbol's prices, in order of arrival."""
        return [
            path
            for path in self.asked
            if unquote(urlsplit(path).path) == CHART_PATH + symbol and "period1=" in path
        ]

    def answer(self, path: str) -> Served:
        """Return the response to a path: a chart, a cookie, a crumb or 404."""
        self.asked.append(path)
        parts = urlsplit(path)
        if not parts.path.startswith(CHART_PATH):
            known = "fc.yahoo.com" in parts.path or "getcrumb" in parts.path
            return Served(200, b"crumb") if known else Served(404, b"<html>no such page</html>")
        symbol = unquote(parts.path.removeprefix(CHART_PATH))
        if "period1" not in parse_qs(parts.query):
            return self.time_zones.get(symbol, Served(body=chart_body(symbol)))
        answers = self.charts[symbol]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class SampleYahoo(Yahoo):
    """A local Yahoo that serves the bundled sample, with multiplied volumes."""

    volume_factor = 1

    def answer(self, path: str) -> Served:
        """Return the response of the sample."""
        self.asked.append(path)
        parts = urlsplit(path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        response = SampleHttpSession().send("GET", f"https:/{unquote(parts.path)}", params=params)
        if self.volume_factor == 1 or "period1" not in params:
            return Served(response.status_code, response.content)
        content = json.loads(response.content)
        for result in content["chart"]["result"] or ():
            for quote in result["indicators"]["quote"]:
                quote["volume"] = [n * self.volume_factor for n in quote.get("volume", ())]
        return Served(response.status_code, json.dumps(content).encode())


_Server = TypeVar("_Server", bound=Yahoo)


@contextmanager
def served(local: _Server) -> Iterator[_Server]:
    """Serve a local Yahoo on a port of 127.0.0.1."""

    class Answering(Handler):
        def respond(self, _: bytes) -> None:
            served = local.answer(self.path)
            length = {} if served.length is None else {"Content-Length": str(served.length)}
            self.answer(served.status, served.body, {**length, **served.headers})

    with local_server(Answering) as local.url:
        yield local


def chart_body(
    symbol: str,
    rows: dict[int, tuple[Any, ...]] | None = None,
    *,
    events: dict[str, Any] | None = None,
    **meta: Any,
) -> bytes:
    """A chart of rows (stamp: open, high, low, close, adjusted close, volume) in New York."""
    rows = rows or {}
    columns = [list(column) for column in zip(*rows.values(), strict=True)] or [[]] * 6
    names = ("open", "high", "low", "close", "adjclose", "volume")
    quote = dict(zip(names, columns, strict=True))
    result: dict[str, Any] = {
        "meta": {
            "symbol": symbol,
            "currency": "USD",
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": "America/New_York",
            "firstTradeDate": 345479400,
            "regularMarketTime": 1718395201,
            "dataGranularity": "1d",
            "validRanges": ["1d"],
            **meta,
        },
        "timestamp": list(rows),
        "indicators": {"adjclose": [{"adjclose": quote.pop("adjclose")}], "quote": [quote]},
    }
    if events:
        result["events"] = events
    return json.dumps({"chart": {"result": [result], "error": None}}).encode()


def error_body(code: str, description: str) -> bytes:
    """Build an error response of Yahoo."""
    error = {"code": code, "description": description}
    return json.dumps({"chart": {"result": None, "error": error}}).encode()


def opening(day: date, hour: int = 13, minute: int = 30) -> int:
    """The stamp of a session; 13:30 UTC is New York's opening in summer."""
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC).timestamp())


def price_request(symbol: str, *sessions: date, closed: tuple[date, ...] = ()) -> PriceRequest:
    """A request on XNYS; open on all sessions but the closed ones."""
    return PriceRequest(
        symbol, f"C-{symbol}", "XNYS", sessions, frozenset(sessions) - frozenset(closed)
    )
