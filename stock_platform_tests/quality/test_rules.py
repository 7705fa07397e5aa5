"""Each rule, by what it lets through and what it catches."""

import pytest

from stock_platform.quality import rules
from stock_platform.quality.rules import ErpMeasure, ProcessedMeasure, RawSession, TableMeasure

EXPECTED = frozenset({"A", "B", "C"})


def session(**outcomes):
    return RawSession(EXPECTED, frozenset(outcomes), outcomes)


def test_a_symbol_without_a_line_is_missing_whatever_the_others_say():
    verdict = rules.complete_for_session(session(A="ok", B="throttled"))
    assert (verdict.passed, verdict.offending, verdict.sample) == (False, 1, ("C",))


def test_every_symbol_with_a_line_is_complete_even_if_it_failed():
    assert rules.complete_for_session(session(A="ok", B="throttled", C="not_listed")).passed


@pytest.mark.parametrize("fine", ["ok", "no_session", "not_listed"])
def test_a_good_reason_for_no_price_is_no_error(fine):
    assert rules.no_upstream_errors(session(A=fine)).passed


@pytest.mark.parametrize(
    "outcome", ["null_bar", "live_bar", "unknown_symbol", "throttled", "upstream_error"]
)
def test_few_failures_warn_and_many_stop(outcome):
    few = RawSession(EXPECTED, EXPECTED, {str(n): "ok" for n in range(4)} | {"X": outcome})
    many = session(A="ok", B=outcome)
    assert not rules.no_upstream_errors(few).passed
    assert rules.no_upstream_errors(few).tolerable
    assert not rules.no_upstream_errors(many).tolerable
    assert rules.no_upstream_errors(many).sample == (f"B: {outcome}",)


def processed(lines=10, valid=8, quarantined=None, rows=None, actions=0):
    metrics = {
        "lines_read": lines,
        "valid": valid,
        "quarantined": quarantined or {},
        "without_bar": {"not_listed": 2},
        "corporate_actions": actions,
        "bad_corporate_actions": 0,
    }
    found = {"stock_prices": valid, "quarantine": sum((quarantined or {}).values())}
    return ProcessedMeasure(metrics, rows or found)


def test_lines_that_all_went_somewhere_are_accounted_for():
    assert rules.every_line_accounted_for(processed()).passed
    assert rules.every_line_accounted_for(processed(valid=7, quarantined={"null_bar": 1})).passed


@pytest.mark.parametrize(
    ("measure", "offending"),
    [
        (processed(lines=11), 1),
        (processed(rows={"stock_prices": 6}), 2),
        (processed(actions=1), 1),
        (
            processed(
                valid=7, quarantined={"null_bar": 1}, rows={"stock_prices": 8, "quarantine": 1}
            ),
            1,
        ),
        (processed(valid=7, quarantined={"null_bar": 1}, rows={"stock_prices": 7}), 1),
        (processed(lines=0, valid=0), 3),
    ],
    ids=[
        "a line vanished",
        "files lost rows",
        "an action vanished",
        "a row too many",
        "a quarantined record vanished",
        "no line at all",
    ],
)
def test_what_is_not_accounted_for_is_counted(measure, offending):
    assert rules.every_line_accounted_for(measure).offending == offending


@pytest.mark.parametrize(
    ("lines", "bad", "passed", "tolerable"),
    [(100, 0, True, True), (5, 1, False, True), (100, 5, False, True), (100, 6, False, False)],
)
def test_quarantine_warns_up_to_a_share_and_then_stops(lines, bad, passed, tolerable):
    quarantined = {"null_bar": bad} if bad else {}
    verdict = rules.quarantine_share(processed(lines=lines, quarantined=quarantined))
    assert (verdict.passed, verdict.tolerable) == (passed, tolerable)


def test_tables_are_judged_by_their_counts():
    good = TableMeasure(3, 0, {"Ticker": 0}, {"raw": (3, 3)})
    bad = TableMeasure(0, 2, {"Ticker": 1, "DateKey": 0}, {"raw": (3, 1), "processed": (1, 1)})
    assert rules.has_rows(good).passed
    assert not rules.has_rows(bad).passed
    assert rules.primary_key_unique(good).passed
    assert rules.primary_key_unique(bad).offending == 2
    assert rules.foreign_keys_resolve(good).passed
    assert rules.foreign_keys_resolve(bad).sample == ("Ticker: 1",)
    assert rules.rows_reconcile(good).passed
    assert rules.rows_reconcile(bad).offending == 2


def test_an_action_that_is_not_usable_is_a_quarantined_record():
    measure = processed(lines=100)
    bad = ProcessedMeasure({**measure.metrics, "bad_corporate_actions": 1}, {})
    assert rules.quarantine_share(bad).sample == ("bad_corporate_action: 1",)


def test_rejected_and_kept_rows_of_the_erp_warn():
    assert rules.every_row_accepted(ErpMeasure(5, {}, 0)).passed
    verdict = rules.every_row_accepted(ErpMeasure(5, {"ragged_row": 2}, 1))
    assert (verdict.offending, verdict.tolerable) == (3, True)
    assert verdict.sample == ("ragged_row: 2", "vanished_or_rejected: 1")
