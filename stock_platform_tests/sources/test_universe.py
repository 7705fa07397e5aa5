"""Asking for a universe: each symbol once, and not on against a ban."""

from datetime import date

from stock_platform.sources.outcomes import Outcome, SymbolAnswer
from stock_platform.sources.universe import fetch_universe
from stock_platform_tests.sources.local_yahoo import price_request

DAY = date(2024, 6, 10)


class Scripted:
    """A source that answers by a script of outcomes."""

    def __init__(self, outcomes):
        self.outcomes = outcomes
        self.asked = []

    def fetch(self, request):
        self.asked.append(request.symbol)
        line = {"symbol": request.symbol, "outcome": self.outcomes[request.symbol]}
        return SymbolAnswer(request.symbol, (line,), ())


def outcomes_of(script):
    source = Scripted(script)
    answers = list(fetch_universe(source, [price_request(symbol, DAY) for symbol in script]))
    return source.asked, [answer.lines[0]["outcome"] for answer in answers]


def test_every_symbol_is_asked_for_once_whatever_the_others_answer():
    script = {"A": Outcome.OK, "B": Outcome.UPSTREAM_ERROR, "C": Outcome.THROTTLED, "D": Outcome.OK}
    assert outcomes_of(script) == (list(script), list(script.values()))


def test_throttling_here_and_there_stops_nothing():
    script = {str(n): Outcome.THROTTLED if n % 3 else Outcome.OK for n in range(9)}
    asked, _ = outcomes_of(script)
    assert asked == list(script)


def test_after_three_throttled_in_a_row_the_rest_is_left_for_the_next_run():
    script = dict.fromkeys("ABCDE", Outcome.THROTTLED)
    asked, outcomes = outcomes_of(script)
    assert asked == ["A", "B", "C"]
    assert outcomes == [Outcome.THROTTLED] * 3 + [Outcome.UPSTREAM_ERROR] * 2
