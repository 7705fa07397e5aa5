"""What is wrong with prices that look right one by one: the whole graph finds it, and where."""

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


def dividends(cash, *at):
    stamps = [opening(DAYS[n]) for n in at]
    return {str(it): {"amount": cash, "date": it} for it in stamps}


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
    # Yahoo knows of the split on EX, and left the two sessions before it as they traded.
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


def judge(platform, yahoo, charts):
    """Run the graph over the charts, from the ERP on, as one range."""
    platform.use_yahoo(yahoo.url, start_date=date(2024, 1, 2), end_date=date(2024, 12, 31))
    platform.drop_companies(*map(company, charts))
    for symbol, served in charts.items():
        yahoo.serve(symbol, served)
    platform.run("erp_load")
    platform.run("reference_data")
    return platform.run("daily_stock_prices", KEYS[0], KEYS[-1])


@pytest.fixture
def judged(platform, yahoo):
    return judge(platform, yahoo, CHARTS)


def found(result, check):
    return {
        (text.partition(":")[0], KEYS.index(it.partition))
        for it in result.get_asset_check_evaluations()
        if it.check_name == check and it.partition and not it.passed
        for text in it.metadata["sample"].value
    }


def test_each_defect_is_found_by_the_right_check_on_the_right_session(judged):
    assert judged.success
    for check, expected in EXPECTED.items():
        assert found(judged, check) == {(symbol, at) for symbol, at, _ in expected}, check


def test_a_session_is_an_error_where_one_of_its_bars_is(judged):
    for check, expected in EXPECTED.items():
        errors = {KEYS[at] for _, at, severity in expected if severity == "ERROR"}
        assert errors == {
            it.partition
            for it in judged.get_asset_check_evaluations()
            if it.check_name == check
            and it.partition
            and not it.passed
            and it.severity.value == "ERROR"
        }, check


def test_a_mended_bar_closes_what_it_caused_beside_it(judged, platform, yahoo):
    assert found(judged, "unexplained_move") >= {("PENCE", EX), ("PENCE", EX + 1)}
    yahoo.serve("PENCE", chart("PENCE", walk()))
    mended = platform.run("daily_stock_prices", KEYS[EX])
    after = {
        it.partition: it.metadata.get("sample")
        for it in mended.get_asset_check_evaluations()
        if it.check_name == "unexplained_move"
    }
    assert set(after) == {KEYS[EX - 1], KEYS[EX], KEYS[EX + 1]}
    assert "PENCE" not in str(after)
    assert "PRINT" in str(after[KEYS[EX + 1]])


def test_what_fails_is_named_in_the_log_of_the_run(capfd, judged):
    assert judged.success
    log = capfd.readouterr().err
    assert f"unit_scale {KEYS[EX]}: 1 of 10 bars failed - PENCE: prices 10000" in log


def test_a_verdict_does_not_depend_on_which_sessions_a_run_has(judged, platform):
    assert ("LATE", EX - 2) in found(judged, "split_applied")
    for at in (EX - 2, EX - 1, EX):
        again = platform.run("daily_stock_prices", KEYS[at])
        for check in ("unit_scale", "unexplained_move", "split_applied", "dividend_plausible"):
            own = {(symbol, n) for symbol, n in found(again, check) if n == at}
            assert own == {(symbol, n) for symbol, n in found(judged, check) if n == at}
