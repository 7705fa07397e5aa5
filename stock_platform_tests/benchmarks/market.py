"""A market of many symbols: repeated copies of the sample's five under other names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from curl_cffi.requests import Response
from curl_cffi.requests.session import HttpMethod

from stock_platform.market_data.sample import SampleHttpSession
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform.orchestration.resources import MarketDataResource
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES

# One per process: yfinance's caches are global.
_CACHE = TemporaryDirectory(prefix="yfinance-bench-")


def companies(count: int) -> list[str]:
    """ERP rows of companies with symbols such as AAPL-017."""
    active = [row for row in SAMPLE_COMPANIES if ",Y," in row]
    rows = []
    for number in range(count):
        _, ticker, rest = active[number % len(active)].split(",", 2)
        rows.append(f"B-{number:04},{ticker}-{number:03},{rest}")
    return rows


class ManySymbols(MarketDataResource):
    """The yfinance client of this market."""

    @contextmanager
    def client(self) -> Iterator[YahooClient]:
        client = YahooClient(_ManySymbolsSession(), Path(_CACHE.name))
        try:
            yield client
        finally:
            client.close()


class _ManySymbolsSession(SampleHttpSession):
    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        chart, dash, number = url.rpartition("-")
        if not (dash and number.isdigit()):
            return super().send(method, url, *args, **options)
        response = super().send(method, chart, *args, **options)
        symbol = chart.rpartition("/")[2]
        original, renamed = f'"symbol":"{symbol}"', f'"symbol":"{symbol}-{number}"'
        response.content = response.content.replace(original.encode(), renamed.encode())
        return response
