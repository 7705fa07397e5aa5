"""Exports merged one after another: no record is lost, and a company has one state per day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_platform.erp.company_dimensions import dim_company_history_rows, dim_company_rows
from stock_platform.erp.export import COMPANIES
from stock_platform.erp.history import ExportProvenance, active_days, merge_export
from stock_platform_tests.support.erp_exports import company, export

START = datetime(2026, 1, 1, tzinfo=UTC)


def merge(records, found, number, *, is_superseded=False):
    read_at = START + timedelta(days=number)
    provenance = ExportProvenance(f"{number}.csv", read_at, is_superseded)
    return merge_export(records, found, COMPANIES, provenance)


@pytest.fixture
def merged(tmp_path):
    """Merge exports one after another, and return the records."""

    def merge_all(*exports):
        records = None
        for number, rows in enumerate(exports):
            records = merge(records, export(tmp_path, *rows), number).records
        return records

    return merge_all


def history(records):
    rows = dim_company_history_rows(records).to_pylist()
    return [
        (row["Symbol"], row["SecurityId"], str(row["EffectiveFrom"]), str(row["EffectiveTo"]))
        for row in rows
    ]


def sessions_by(position, records, days):
    """The sessions on which a company was active, by exchange (0) or symbol (1)."""
    active = active_days(records, days).items()
    return {listing[position]: [str(day) for day in sessions] for listing, sessions in active}


def state(records, symbol):
    (row,) = [row for row in dim_company_rows(records).to_pylist() if row["Symbol"] == symbol]
    return row


FB = company("C-2", "FB", "Facebook", changed="2012-05-18")
META = company("C-2", "META", "Meta Platforms", changed="2022-06-09")
AAPL = company(changed="2000-03-01")


def test_renamed_company_keeps_identity(merged):
    records = merged([AAPL, FB], [AAPL, META])
    assert history(records)[1:] == [
        ("FB", "C-2", "2012-05-18", "2022-06-09"),
        ("META", "C-2", "2022-06-09", "None"),
    ]
    old, new = state(records, "FB"), state(records, "META")
    assert (old["IsActive"], str(old["EffectiveFrom"])) == (False, "2022-06-09")
    assert (new["IsActive"], old["SecurityId"]) == (True, new["SecurityId"])


def test_taken_symbol_ends_earlier_state(merged):
    other = company("C-9", "META", "Another Meta", changed="2017-01-01")
    records = merged([FB, other], [META])
    assert history(records) == [
        ("FB", "C-2", "2012-05-18", "2022-06-09"),
        ("META", "C-9", "2017-01-01", "2022-06-09"),
        ("META", "C-2", "2022-06-09", "None"),
    ]
    assert state(records, "META")["CompanyName"] == "Meta Platforms"


def test_venue_move_and_deactivation_are_states(merged):
    moved = company("C-3", "WMT", "Walmart", "XNAS", changed="2025-12-09")
    gone = company("C-3", "WMT", "Walmart", "XNAS", active="N", changed="2026-01-01")
    records = merged([company("C-3", "WMT", "Walmart", "XNYS")], [moved], [gone])
    rows = dim_company_history_rows(records).to_pylist()
    assert [(row["ExchangeCode"], row["IsActive"]) for row in rows] == [
        ("XNYS", True),
        ("XNAS", True),
        ("XNAS", False),
    ]


def test_missing_company_is_marked_until_return(merged):
    assert state(merged([AAPL, FB], [AAPL]), "FB")["IsMissingFromExport"]
    assert state(merged([AAPL, FB], [AAPL]), "FB")["IsActive"]
    assert not state(merged([AAPL, FB], [AAPL], [AAPL, FB]), "FB")["IsMissingFromExport"]


def test_rejected_row_marks_no_company_missing(merged):
    broken = company("C-2", "FB", "Facebook", "XXXX")
    assert not state(merged([AAPL, FB], [AAPL, broken]), "FB")["IsMissingFromExport"]


def test_late_export_only_adds_unknown_records(merged):
    new = company("C-7", "IBM", changed="1999-01-01")
    records = merged([AAPL, META, new], [AAPL, FB])
    assert state(records, "META")["IsActive"]
    assert not state(records, "IBM")["IsMissingFromExport"]
    assert ("FB", "C-2", "2012-05-18", "2022-06-09") in history(records)
    assert records.equals(merged([AAPL, META, new], [AAPL, FB], [AAPL, FB]))


def test_row_of_same_day_is_correction(merged):
    records = merged([AAPL], [company(name="Apple", changed="2000-03-01")])
    assert (state(records, "AAPL")["CompanyName"], records.num_rows) == ("Apple", 1)


def test_repeated_export_changes_nothing(merged):
    assert merged([AAPL, FB], [AAPL, META]).equals(merged([AAPL, FB], [AAPL, META], [AAPL, META]))


def test_active_days_follow_history(merged):
    gone = company(active="N", changed="2020-01-01")
    records = merged([AAPL, FB], [gone, META])
    days = ["1999-01-04", "2019-12-31", "2020-01-02", "2022-06-08", "2022-06-09"]
    found = sessions_by(1, records, days)
    assert found == {"AAPL": days[:2], "FB": days[:4], "META": days[4:]}


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9)),
            min_size=1,
            max_size=3,
            unique_by=(lambda row: row[0], lambda row: row[1]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_states_of_symbol_never_overlap(tmp_path_factory, exports):
    records = None
    for number, rows in enumerate(exports):
        texts = [company(f"C-{i}", f"T{t}", changed=f"2020-01-0{day}") for i, t, day in rows]
        found = export(tmp_path_factory.mktemp("erp"), *texts)
        records = merge(records, found, number).records
    states = history(records)
    for symbol in {name for name, *_ in states}:
        of = [(first, last) for name, _, first, last in states if name == symbol and first != last]
        assert all(last <= following for (_, last), (following, _) in pairwise(of))
    assert len(dim_company_rows(records)) == len({symbol for symbol, *_ in states})
    assert {item for _, item, *_ in states} == set(records["ITEM_ID"].to_pylist())
    days = [f"2020-01-{day:02}" for day in range(1, 12)]
    for active in active_days(records, ["2019-12-31", *days]).values():
        assert list(active) == sorted(set(active))


def test_reused_symbol_resolves_by_session(merged):
    first = company("C-9", "FB", "Frontier Bank", "XNYS", changed="2012-01-03")
    again = company("C-2", "FB", "Facebook", "XNAS", changed="2013-02-15")
    records = merged([first], [again])
    days = ["2000-03-01", "2013-02-14", "2013-02-15"]
    found = sessions_by(0, records, days)
    assert found == {"XNYS": days[:2], "XNAS": days[2:]}


def test_exported_company_wins_over_vanished_one(merged):
    live = company("C-5", "X", "Live", changed="2010-01-01")
    gone = company("C-4", "X", "Gone", changed="2015-01-01")
    records = merged([gone], [live])
    assert history(records) == [
        ("X", "C-5", "2010-01-01", "None"),
        ("X", "C-4", "2015-01-01", "2015-01-01"),
    ]
    assert (state(records, "X")["SecurityId"], state(records, "X")["IsActive"]) == ("C-5", True)


def test_changed_key_keeps_old_history(merged):
    records = merged([company("C-1")], [company("C-1001")])
    assert [(row[1], row[3]) for row in history(records)] == [
        ("C-1", "2020-01-01"),
        ("C-1001", "None"),
    ]
    back = merged([company("C-1")], [company("C-1001")], [company("C-1", name="Back")])
    assert {row[1] for row in history(back)} == {"C-1", "C-1001"}


def test_delisted_and_new_holder_share_export(merged):
    old = company("C-2", "FB", "Old", active="N", changed="2015-01-01")
    records = merged([old, company("C-3", "FB", "New", changed="2020-01-01")])
    assert state(records, "FB")["CompanyName"] == "New"
    assert records.num_rows == 2


def test_withdrawn_state_is_removed(merged):
    wrong = company("C-3", "IBM", "Wrong", changed="2012-05-01")
    right = company("C-3", "IBM", "Right", changed="2012-04-01")
    records = merged([AAPL, FB, wrong], [AAPL, FB, right])
    assert [row[1:] for row in history(records) if row[0] == "IBM"] == [
        ("C-3", "2012-04-01", "None")
    ]
    assert state(records, "IBM")["CompanyName"] == "Right"


def test_superseded_export_changes_nothing(tmp_path):
    typo, good = company(name="Aple"), company(name="Apple")
    new = company("C-7", "IBM")
    records = merge(None, export(tmp_path, typo), 0).records
    records = merge(records, export(tmp_path, good, new), 1).records
    again = merge(records, export(tmp_path, typo), 2, is_superseded=True)
    assert again.is_late
    assert again.records.equals(records)


def test_late_export_counts_outdated_rows(merged, tmp_path):
    records = merged([AAPL, META])
    late = merge(records, export(tmp_path, AAPL, FB), 1)
    assert (late.is_late, late.outdated) == (True, 1)


def test_unreadable_key_marks_no_company_missing(merged):
    assert not state(merged([AAPL, FB], [AAPL, ',x"y"z']), "FB")["IsMissingFromExport"]
    assert not state(merged([AAPL, FB], [AAPL, 'C-2,FB,"Face"book"']), "FB")["IsMissingFromExport"]
