"""Results of the rules for sessions and whole assets."""

import pytest

from stock_platform.quality.rules import erp, processed, raw, tables
from stock_platform.quality.rules.erp import ErpMeasure
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.raw import Freshness, RawSession
from stock_platform.quality.rules.tables import TableMeasure
from stock_platform.settings.quality import QualityLimits

LIMITS = QualityLimits()


def session(live="", early="", **fetched):
    """A raw session in which A, B and C are expected."""
    return RawSession(
        frozenset("ABC"), frozenset(fetched), fetched, frozenset(live), frozenset(early)
    )


def job(lines=10, valid=8, quarantined=None, rows=None, **metrics):
    """A processed session by the metrics of the job; two companies were not listed yet."""
    quarantined = quarantined or {}
    metrics = {
        "lines_read": lines,
        "valid": valid,
        "quarantined": quarantined,
        "without_bar": {"not_listed": 2},
        "superseded": {},
        "corporate_actions": 0,
        "bad_corporate_actions": 0,
        **metrics,
    }
    found = {"stock_prices": valid, "quarantine": sum(quarantined.values())}
    written = {**found, "corporate_actions": metrics["corporate_actions"]}
    written["quarantine"] += metrics["bad_corporate_actions"]
    metrics["changes"] = {table: {"new": count} for table, count in written.items()}
    return ProcessedMeasure(metrics, rows or found)


TABLE = TableMeasure(3, 0, {"Ticker": 0}, {"raw": (3, 3)})
BAD_TABLE = TableMeasure(0, 2, {"Ticker": 1, "DateKey": 0}, {"raw": (3, 1), "processed": (1, 1)})
FLAWED = TableMeasure(1, 0, flaws=("x",))
OTHER_TABLE = TableMeasure(0, 0, contract_differences=("x",))
EXPORT = ErpMeasure(5, {}, (), {})
BAD_EXPORT = ErpMeasure(5, {"ragged_row": 2}, ("C-7",), {"a.csv": "empty"})
BAD_ROWS = ("ragged_row: 2", "vanished: 1", "C-7: vanished")
LATE_EXPORT = ErpMeasure(5, {}, (), {}, {"old.csv": 4})
LATE = ("2012-07-05", "2012-07-06")
LIVE, EARLY = "A: live bar, quarantined", "B: fetched before the close"
ERROR, WARNING = False, True


@pytest.mark.parametrize(
    ("rule", "measure"),
    [
        # Every symbol has a record, even if its request failed.
        (raw.all_symbols_present, session(A="ok", B="throttled", C="not_listed")),
        (raw.source_responded, session(A="ok", B="no_session", C="not_listed")),
        (raw.bars_are_final, session(A="ok")),
        (raw.fresh, Freshness((), "2012-07-06")),
        (erp.all_rows_accepted, EXPORT),
        (erp.files_accepted, EXPORT),
        (processed.all_records_accounted_for, job()),
        (processed.all_records_accounted_for, job(valid=7, quarantined={"null_bar": 1})),
        (processed.all_records_accounted_for, job(lines=19, superseded={"unchanged": 9})),
        (processed.quarantine_share, job()),
        (tables.has_rows, TABLE),
        (tables.primary_key_unique, TABLE),
        (tables.foreign_keys_resolve, TABLE),
        (tables.rows_reconcile, TABLE),
        (tables.dim_date_complete, TABLE),
        (tables.dim_company_keys, TABLE),
        (tables.history_intervals, TABLE),
        (tables.no_gaps, TABLE),
        (tables.contract_matches, TABLE),
    ],
)
def test_good_data_passes(rule, measure):
    assert rule(measure, LIMITS).passed


@pytest.mark.parametrize(
    ("rule", "measure", "warn_only", "count", "examples"),
    [
        (raw.all_symbols_present, session(A="ok", B="throttled"), ERROR, 1, ("C",)),
        (raw.bars_are_final, session(live="A"), WARNING, 1, (LIVE,)),
        (raw.bars_are_final, session(live="A", early="B"), ERROR, 2, (LIVE, EARLY)),
        (raw.fresh, Freshness(LATE, "2012-07-03"), WARNING, 2, LATE),
        (erp.all_rows_accepted, BAD_EXPORT, WARNING, 3, BAD_ROWS),
        (erp.all_rows_accepted, LATE_EXPORT, WARNING, 4, ("outdated: 4",)),
        (erp.files_accepted, BAD_EXPORT, ERROR, 1, ("a.csv: empty",)),
        (
            processed.quarantine_share,
            job(lines=100, bad_corporate_actions=1),
            *(WARNING, 1, ("bad_corporate_action: 1",)),
        ),
        (tables.has_rows, BAD_TABLE, ERROR, 1, ()),
        (tables.primary_key_unique, BAD_TABLE, ERROR, 2, ()),
        (tables.foreign_keys_resolve, BAD_TABLE, ERROR, 1, ("Ticker: 1",)),
        (tables.rows_reconcile, BAD_TABLE, ERROR, 2, ("raw",)),
        (tables.dim_date_complete, FLAWED, ERROR, 1, ("x",)),
        (tables.dim_company_keys, FLAWED, ERROR, 1, ("x",)),
        (tables.history_intervals, FLAWED, ERROR, 1, ("x",)),
        (tables.no_gaps, FLAWED, WARNING, 1, ("x",)),
        (tables.contract_matches, OTHER_TABLE, ERROR, 1, ("x",)),
    ],
)
def test_bad_data_fails(rule, measure, warn_only, count, examples):
    result = rule(measure, LIMITS)
    assert (result.failure_count, result.examples) == (count, examples)
    assert result.warn_only == warn_only


@pytest.mark.parametrize("outcome", ["null_bar", "live_bar", "throttled", "upstream_error"])
@pytest.mark.parametrize(
    ("failed", "good", "is_outage"),
    [
        ("X", "ABCD", False),  # a fifth
        ("VWXYZ", "ABCDEFGHIJKLMNOPQRST", False),
        ("WXYZ", "A", False),  # few
        ("VWXYZ", "A", True),
        ("X", "", True),  # all
    ],
)
def test_many_failed_symbols_are_an_outage(outcome, failed, good, is_outage):
    symbols = dict.fromkeys(good, "ok") | dict.fromkeys(failed, outcome)
    result = raw.source_responded(session(**symbols), LIMITS)
    assert (result.failure_count, result.warn_only) == (len(failed), not is_outage)
    assert f"X: {outcome}" in result.examples


@pytest.mark.parametrize("good", ["", "ABC"])
def test_unknown_symbols_are_no_outage(good):
    unknown = dict.fromkeys("UVWXYZ", "unknown_symbol")
    result = raw.source_responded(session(**unknown, **dict.fromkeys(good, "ok")), LIMITS)
    assert (result.failure_count, result.warn_only) == (6, True)


def test_thresholds_are_settings():
    half = session(**dict.fromkeys("VWXYZ", "null_bar"), **dict.fromkeys("ABCDE", "ok"))
    strict = QualityLimits(failed_symbols_share=0.5)
    assert raw.source_responded(half, strict).warn_only
    assert not raw.source_responded(half, LIMITS).warn_only


NULL_BAR = {"valid": 7, "quarantined": {"null_bar": 1}}


@pytest.mark.parametrize(
    ("measure", "count"),
    [
        pytest.param(job(lines=11), 1, id="a record vanished"),
        pytest.param(job(rows={"stock_prices": 6}), 2, id="files lost rows"),
        pytest.param(job(corporate_actions=1), 1, id="an action vanished"),
        pytest.param(job(**NULL_BAR, rows={"stock_prices": 8, "quarantine": 1}), 1, id="extra row"),
        pytest.param(job(**NULL_BAR, rows={"stock_prices": 7}), 1, id="quarantine vanished"),
        pytest.param(job(lines=0, valid=0), 3, id="no record at all"),
    ],
)
def test_unaccounted_records_are_counted(measure, count):
    assert processed.all_records_accounted_for(measure, LIMITS).failure_count == count


@pytest.mark.parametrize(
    ("lines", "bad", "warn_only"), [(5, 1, True), (102, 5, True), (101, 5, False)]
)
def test_quarantine_warns_up_to_a_share(lines, bad, warn_only):
    result = processed.quarantine_share(job(lines, quarantined={"null_bar": bad}), LIMITS)
    assert (result.failure_count, result.warn_only) == (bad, warn_only)


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
def test_quarantined_defect_warns_and_published_defect_fails(rule, reason):
    assert rule(job(), LIMITS).passed
    quarantined = rule(job(quarantined={reason: 1, "wrong_session": 1}), LIMITS)
    assert (quarantined.failure_count, quarantined.warn_only) == (1, True)
    defects = {reason: ("A: published",)}
    published = rule(ProcessedMeasure(job().metrics, {}, {}, defects), LIMITS)
    assert (published.warn_only, published.examples) == (False, ("A: published",))
