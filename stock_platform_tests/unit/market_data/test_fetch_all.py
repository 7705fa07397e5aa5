"""Fetching many symbols, and stopping when throttled."""

from datetime import date

from stock_platform.market_data.fetch_all import fetch_all
from stock_platform.market_data.models import Outcome, SymbolResult
from stock_platform_tests.support.local_yahoo import price_request

DAY = date(2024, 6, 10)


class Scripted:
    """A source with scripted outcomes."""

    def __init__(self, outcomes):
        self.outcomes = outcomes
        self.asked = []

    def fetch(self, request):
        self.asked.append(request.symbol)
        record = {"symbol": request.symbol, "outcome": self.outcomes[request.symbol]}
        return SymbolResult(request.symbol, (record,), ())


def outcomes_of(script):
    source = Scripted(script)
    answers = list(fetch_all(source, [price_request(symbol, DAY) for symbol in script]))
    return source.asked, [answer.records[0]["outcome"] for answer in answers]


def test_every_symbol_is_requested_once():
    script = {"A": Outcome.OK, "B": Outcome.UPSTREAM_ERROR, "C": Outcome.THROTTLED, "D": Outcome.OK}
    assert outcomes_of(script) == (list(script), list(script.values()))


def test_occasional_throttling_stops_nothing():
    script = {str(n): Outcome.THROTTLED if n % 3 else Outcome.OK for n in range(9)}
    asked, _ = outcomes_of(script)
    assert asked == list(script)


def test_three_throttled_symbols_end_fetch():
    script = dict.fromkeys("ABCDE", Outcome.THROTTLED)
    asked, outcomes = outcomes_of(script)
    assert asked == ["A", "B", "C"]
    assert outcomes == [Outcome.THROTTLED] * 3 + [Outcome.UPSTREAM_ERROR] * 2
