"""Checks find defects of series whose single bars look right, in the whole graph."""

from datetime import date

import pytest

from stock_platform.calendars import sessions
from stock_platform_tests.support.local_yahoo import Served, chart_body, opening
from stock_platform_tests.unit.test_bad_input import company

DAYS = sessions("XNYS", date(2024, 6, 10), date(2024, 6, 28))
KEYS = [day.isoformat() for day in DAYS]
EX = 6  # the session on which every action goes ex


def chart(symbol, closes, adjusted=None, volume=1000, **events):
    rows = {
        opening(day): (close, close, close, close, adjusted[n] if adjusted else close, volume)
        for n, (day, close) in enumerate(zip(DAYS, closes, strict=True))
    }
    return Served(body=chart_body(symbol, rows, events=events))


def dividends(cash, *positions):
    stamps = [opening(DAYS[n]) for n in positions]
    return {str(stamp): {"amount": cash, "date": stamp} for stamp in stamps}


def split(numerator, denominator):
    stamp = opening(DAYS[EX])
    ratio = {"numerator": numerator, "denominator": denominator, "date": stamp}
    return {str(stamp): {**ratio, "splitRatio": f"{numerator}:{denominator}"}}


def walk(*changes):
    """Prices about 100, all different; changes are by position."""
    return [dict(changes).get(n, 100 + n % 3) for n in range(len(DAYS))]


def adjusted(closes, cash):
    factor = 1 - cash / closes[EX - 1]
    return [close * (factor if n < EX else 1) for n, close in enumerate(closes)]


CHARTS = {
    "STEADY": chart("STEADY", walk()),
    "PENCE": chart("PENCE", walk((EX, 10_000.0))),
    "JUMP": chart("JUMP", [close * (2 if n >= EX else 1) for n, close in enumerate(walk())]),
    "PRINT": chart("PRINT", walk((EX, 180.0))),
    # Yahoo reports the split on EX, but has not adjusted the two sessions before it.
    "LATE": chart("LATE", walk((EX - 2, 500.0), (EX - 1, 502.0)), splits=split(5, 1)),
    "STILL": chart("STILL", [100.0] * len(DAYS), volume=0),
    "HUGE": chart("HUGE", walk(), adjusted(walk(), 25.0), dividends=dividends(25.0, EX)),
    "TWICE": chart("TWICE", walk(), dividends=dividends(0.04, EX, EX + 2)),
    "UNADJUSTED": chart("UNADJUSTED", walk(), dividends=dividends(1.0, EX)),
    "PAYS": chart("PAYS", walk(), adjusted(walk(), 1.0), dividends=dividends(1.0, EX)),
}
EXPECTED = {
    "unit_scale": {("PENCE", EX, "ERROR")},
    "unexplained_move": {
        ("PENCE", EX, "ERROR"),
        ("PENCE", EX + 1, "WARN"),
        ("PRINT", EX, "ERROR"),
        ("PRINT", EX + 1, "WARN"),
        ("JUMP", EX, "WARN"),
        ("LATE", EX - 2, "WARN"),
        ("LATE", EX, "WARN"),
    },
    "split_applied": {("LATE", EX - 2, "ERROR"), ("LATE", EX, "ERROR")},
    "stale_price": {("STILL", n, "WARN") for n in range(4, len(DAYS))},
    "dividend_plausible": {("HUGE", EX, "ERROR"), ("TWICE", EX + 2, "WARN")},
    "adjusted_close_agrees": {("UNADJUSTED", EX, "WARN")},
    "no_gaps": set(),
    "ohlc_consistent": set(),
    "no_null_bars": set(),
}


def run_graph(platform, yahoo):
    """Run the graph over the charts, from the ERP on, as one range."""
    platform.use_yahoo(yahoo.url, start_date=date(2024, 1, 2), end_date=date(2024, 12, 31))
    for symbol, served in CHARTS.items():
        yahoo.serve(symbol, served)
    platform.load_dimensions(*map(company, CHARTS))
    return platform.run("daily_stock_prices", KEYS[0], KEYS[-1])


@pytest.fixture
def checked_run(platform, yahoo):
    return run_graph(platform, yahoo)


def session_results(result, check):
    return [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == check and evaluation.partition
    ]


def errors(result, check):
    """The sessions on which a check failed with an error."""
    failed = [found for found in session_results(result, check) if not found.passed]
    return {found.partition for found in failed if found.severity.value == "ERROR"}


def found(result, check):
    """The symbols and positions of sessions that a check flagged."""
    return {
        (text.partition(":")[0], KEYS.index(evaluation.partition))
        for evaluation in session_results(result, check)
        if not evaluation.passed
        for text in evaluation.metadata["sample"].value
    }


def test_checks_find_each_defect(checked_run):
    assert checked_run.success
    for check, expected in EXPECTED.items():
        assert found(checked_run, check) == {(symbol, at) for symbol, at, _ in expected}, check


def test_one_bad_bar_fails_its_session(checked_run):
    for check, expected in EXPECTED.items():
        failing = {KEYS[at] for _, at, severity in expected if severity == "ERROR"}
        assert errors(checked_run, check) == failing, check


def test_corrected_bar_clears_neighbours(checked_run, platform, yahoo):
    assert found(checked_run, "unexplained_move") >= {("PENCE", EX), ("PENCE", EX + 1)}
    yahoo.serve("PENCE", chart("PENCE", walk()))
    corrected = platform.run("daily_stock_prices", KEYS[EX])
    examples = {
        evaluation.partition: evaluation.metadata.get("sample")
        for evaluation in corrected.get_asset_check_evaluations()
        if evaluation.check_name == "unexplained_move"
    }
    assert set(examples) == {KEYS[EX - 1], KEYS[EX], KEYS[EX + 1]}
    assert "PENCE" not in str(examples)
    assert "PRINT" in str(examples[KEYS[EX + 1]])


def test_run_log_names_failures(capfd, checked_run):
    assert checked_run.success
    log = capfd.readouterr().err
    assert f"unit_scale {KEYS[EX]}: 1 of 10 bars failed - PENCE: prices 10000" in log


def test_check_results_do_not_depend_on_range(checked_run, platform):
    assert ("LATE", EX - 2) in found(checked_run, "split_applied")
    for at in (EX - 2, EX - 1, EX):
        again = platform.run("daily_stock_prices", KEYS[at])
        for check in ("unit_scale", "unexplained_move", "split_applied", "dividend_plausible"):
            own = {(symbol, n) for symbol, n in found(again, check) if n == at}
            assert own == {(symbol, n) for symbol, n in found(checked_run, check) if n == at}
