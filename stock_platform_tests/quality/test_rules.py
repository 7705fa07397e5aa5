"""Each rule, by what it lets through and what it catches."""

import pytest

from stock_platform.limits import QualityLimits
from stock_platform.quality.rules import erp, processed, raw, tables
from stock_platform.quality.rules.erp import ErpMeasure
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.raw import Newest, RawSession
from stock_platform.quality.rules.tables import TableMeasure

EXPECTED = frozenset({"A", "B", "C"})
LIMITS = QualityLimits()


def session(**outcomes):
    return RawSession(EXPECTED, frozenset(outcomes), outcomes)


def test_a_symbol_without_a_line_is_missing_whatever_the_others_say():
    verdict = raw.complete_for_session(session(A="ok", B="throttled"), LIMITS)
    assert (verdict.passed, verdict.offending, verdict.sample) == (False, 1, ("C",))


def test_every_symbol_with_a_line_is_complete_even_if_it_failed():
    assert raw.complete_for_session(session(A="ok", B="throttled", C="not_listed"), LIMITS).passed


@pytest.mark.parametrize("fine", ["ok", "no_session", "not_listed"])
def test_a_good_reason_for_no_price_is_no_error(fine):
    assert raw.no_upstream_errors(session(A=fine), LIMITS).passed


@pytest.mark.parametrize(
    "outcome", ["null_bar", "live_bar", "unknown_symbol", "throttled", "upstream_error"]
)
def test_few_failures_warn_and_many_stop(outcome):
    few = RawSession(EXPECTED, EXPECTED, {str(n): "ok" for n in range(4)} | {"X": outcome})
    many = session(A="ok", B=outcome)
    assert not raw.no_upstream_errors(few, LIMITS).passed
    assert raw.no_upstream_errors(few, LIMITS).tolerable
    assert not raw.no_upstream_errors(many, LIMITS).tolerable
    assert raw.no_upstream_errors(many, LIMITS).sample == (f"B: {outcome}",)


def measured(lines=10, valid=8, quarantined=None, rows=None, actions=0):
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
    assert processed.every_line_accounted_for(measured(), LIMITS).passed
    assert processed.every_line_accounted_for(
        measured(valid=7, quarantined={"null_bar": 1}), LIMITS
    ).passed


@pytest.mark.parametrize(
    ("measure", "offending"),
    [
        (measured(lines=11), 1),
        (measured(rows={"stock_prices": 6}), 2),
        (measured(actions=1), 1),
        (
            measured(
                valid=7, quarantined={"null_bar": 1}, rows={"stock_prices": 8, "quarantine": 1}
            ),
            1,
        ),
        (measured(valid=7, quarantined={"null_bar": 1}, rows={"stock_prices": 7}), 1),
        (measured(lines=0, valid=0), 3),
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
    assert processed.every_line_accounted_for(measure, LIMITS).offending == offending


@pytest.mark.parametrize(
    ("lines", "bad", "passed", "tolerable"),
    # Two of the lines are of companies not listed yet, of which no bar is due.
    [(102, 0, True, True), (5, 1, False, True), (102, 5, False, True), (101, 5, False, False)],
)
def test_quarantine_warns_up_to_a_share_and_then_stops(lines, bad, passed, tolerable):
    quarantined = {"null_bar": bad} if bad else {}
    verdict = processed.quarantine_share(measured(lines=lines, quarantined=quarantined), LIMITS)
    assert (verdict.passed, verdict.tolerable) == (passed, tolerable)


def test_tables_are_judged_by_their_counts():
    good = TableMeasure(3, 0, {"Ticker": 0}, {"raw": (3, 3)})
    bad = TableMeasure(0, 2, {"Ticker": 1, "DateKey": 0}, {"raw": (3, 1), "processed": (1, 1)})
    assert tables.has_rows(good, LIMITS).passed
    assert not tables.has_rows(bad, LIMITS).passed
    assert tables.primary_key_unique(good, LIMITS).passed
    assert tables.primary_key_unique(bad, LIMITS).offending == 2
    assert tables.foreign_keys_resolve(good, LIMITS).passed
    assert tables.foreign_keys_resolve(bad, LIMITS).sample == ("Ticker: 1",)
    assert tables.rows_reconcile(good, LIMITS).passed
    assert tables.rows_reconcile(bad, LIMITS).offending == 2


def test_an_action_that_is_not_usable_is_a_quarantined_record():
    measure = measured(lines=100)
    bad = ProcessedMeasure({**measure.metrics, "bad_corporate_actions": 1}, {})
    assert processed.quarantine_share(bad, LIMITS).sample == ("bad_corporate_action: 1",)


def test_rejected_rows_and_vanished_keys_of_the_erp_warn():
    assert erp.every_row_accepted(ErpMeasure(5, {}, (), {}), LIMITS).passed
    verdict = erp.every_row_accepted(ErpMeasure(5, {"ragged_row": 2}, ("C-7",), {}), LIMITS)
    assert (verdict.offending, verdict.tolerable) == (3, True)
    assert verdict.sample == ("ragged_row: 2", "vanished: 1", "C-7: vanished")


def test_a_refused_file_is_an_error_until_it_is_gone():
    assert erp.files_accepted(ErpMeasure(5, {}, (), {}), LIMITS).passed
    verdict = erp.files_accepted(ErpMeasure(5, {}, (), {"a.csv": "empty"}), LIMITS)
    assert (verdict.offending, verdict.tolerable, verdict.sample) == (1, False, ("a.csv: empty",))


def test_a_limit_is_a_setting():
    strict = QualityLimits(failed_symbols_share=0.0)
    few = RawSession(EXPECTED, EXPECTED, {str(n): "ok" for n in range(9)} | {"X": "null_bar"})
    assert raw.no_upstream_errors(few, LIMITS).tolerable
    assert not raw.no_upstream_errors(few, strict).tolerable


def test_a_live_bar_warns_for_it_is_quarantined():
    verdict = raw.answer_is_settled(RawSession(EXPECTED, EXPECTED, {}, frozenset("A")), LIMITS)
    assert (verdict.offending, verdict.tolerable) == (1, True)


def test_a_bar_fetched_before_the_close_and_taken_for_final_stops():
    early = RawSession(EXPECTED, EXPECTED, {}, frozenset("A"), frozenset("B"))
    verdict = raw.answer_is_settled(early, LIMITS)
    assert (verdict.offending, verdict.tolerable) == (2, False)
    assert verdict.sample == ("A: live bar, quarantined", "B: fetched before the close")


def test_prices_that_are_due_and_not_there_are_not_fresh():
    assert raw.fresh(Newest((), "2012-07-06"), LIMITS).passed
    verdict = raw.fresh(Newest(("2012-07-05", "2012-07-06"), "2012-07-03"), LIMITS)
    assert (verdict.offending, verdict.tolerable) == (2, True)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (processed.ohlc_consistent, "ohlc_inconsistent"),
        (processed.prices_positive, "non_positive_price"),
        (processed.volume_non_negative, "negative_volume"),
        (processed.volume_non_negative, "volume_too_large"),
        (processed.no_null_bars, "null_bar"),
        (processed.no_duplicates, "duplicate"),
    ],
)
def test_a_defect_that_was_kept_out_warns_and_one_that_was_published_stops(rule, reason):
    kept_out = measured(quarantined={reason: 1, "wrong_session": 1})
    assert rule(measured(), LIMITS).passed
    assert (rule(kept_out, LIMITS).offending, rule(kept_out, LIMITS).tolerable) == (1, True)
    published = ProcessedMeasure(measured().metrics, {}, {}, {reason: ("A: published",)})
    assert not rule(published, LIMITS).tolerable
    assert rule(published, LIMITS).sample == ("A: published",)


@pytest.mark.parametrize("rule", [tables.dim_date_complete, tables.dim_company_keys])
def test_a_flaw_of_a_dimension_is_an_error(rule):
    assert rule(TableMeasure(1, 0), LIMITS).passed
    assert not rule(TableMeasure(1, 0, flaws=("x",)), LIMITS).tolerable


def test_a_gap_warns():
    verdict = tables.no_gaps(TableMeasure(1, 0, flaws=("FB",)), LIMITS)
    assert (verdict.offending, verdict.tolerable) == (1, True)


def test_a_table_that_is_not_as_its_contract_says_fails():
    assert tables.contract_matches(TableMeasure(0, 0), LIMITS).passed
    verdict = tables.contract_matches(TableMeasure(0, 0, differs=("Open: missing",)), LIMITS)
    assert verdict.sample == ("Open: missing",)
