"""What exports told one after another: nothing is lost, and a day has one state of a company."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_platform.sources.company_rows import dim_company_history_rows, dim_company_rows
from stock_platform.sources.erp import COMPANIES
from stock_platform.sources.erp_history import Told, active_days, learn
from stock_platform_tests.sources.erp_files import company, export

START = datetime(2026, 1, 1, tzinfo=UTC)


def told_by(n, *, superseded=False):
    return Told(f"{n}.csv", START + timedelta(days=n), superseded)


@pytest.fixture
def told(tmp_path):
    """The facts after exports that came one after another."""

    def tell(*exports):
        facts = None
        for n, rows in enumerate(exports):
            found = export(tmp_path, *rows)
            facts = learn(facts, found, COMPANIES, told_by(n)).facts
        return facts

    return tell


def history(facts):
    rows = dim_company_history_rows(facts).to_pylist()
    return [
        (it["Symbol"], it["ItemId"], str(it["EffectiveFrom"]), str(it["EffectiveTo"]))
        for it in rows
    ]


def state(facts, symbol):
    (row,) = [it for it in dim_company_rows(facts).to_pylist() if it["Symbol"] == symbol]
    return row


FB = company("C-2", "FB", "Facebook", changed="2012-05-18")
META = company("C-2", "META", "Meta Platforms", changed="2022-06-09")
AAPL = company(changed="2000-03-01")


def test_a_renamed_company_keeps_its_identity_and_both_symbols(told):
    facts = told([AAPL, FB], [AAPL, META])
    assert history(facts)[1:] == [
        ("FB", "C-2", "2012-05-18", "2022-06-09"),
        ("META", "C-2", "2022-06-09", "None"),
    ]
    old, new = state(facts, "FB"), state(facts, "META")
    assert (old["IsActive"], str(old["EffectiveFrom"])) == (False, "2022-06-09")
    assert (new["IsActive"], old["ItemId"]) == (True, new["ItemId"])


def test_a_symbol_that_another_company_takes_ends_the_state_of_the_first(told):
    other = company("C-9", "META", "Another Meta", changed="2017-01-01")
    facts = told([FB, other], [META])
    assert history(facts) == [
        ("FB", "C-2", "2012-05-18", "2022-06-09"),
        ("META", "C-9", "2017-01-01", "2022-06-09"),
        ("META", "C-2", "2022-06-09", "None"),
    ]
    assert state(facts, "META")["CompanyName"] == "Meta Platforms"


def test_a_venue_move_and_a_deactivation_are_states(told):
    moved = company("C-3", "WMT", "Walmart", "XNAS", changed="2025-12-09")
    gone = company("C-3", "WMT", "Walmart", "XNAS", active="N", changed="2026-01-01")
    facts = told([company("C-3", "WMT", "Walmart", "XNYS")], [moved], [gone])
    rows = dim_company_history_rows(facts).to_pylist()
    assert [(it["ExchangeCode"], it["IsActive"]) for it in rows] == [
        ("XNYS", True),
        ("XNAS", True),
        ("XNAS", False),
    ]


def test_a_company_that_vanishes_is_kept_and_marked_until_it_is_back(told):
    assert state(told([AAPL, FB], [AAPL]), "FB")["IsVanished"]
    assert state(told([AAPL, FB], [AAPL]), "FB")["IsActive"]
    assert not state(told([AAPL, FB], [AAPL], [AAPL, FB]), "FB")["IsVanished"]


def test_a_company_whose_row_was_rejected_has_not_vanished(told):
    broken = company("C-2", "FB", "Facebook", "XXXX")
    assert not state(told([AAPL, FB], [AAPL, broken]), "FB")["IsVanished"]


def test_a_late_export_adds_what_nobody_knew_and_changes_nothing(told):
    new = company("C-7", "IBM", changed="1999-01-01")
    facts = told([AAPL, META, new], [AAPL, FB])
    assert state(facts, "META")["IsActive"]
    assert not state(facts, "IBM")["IsVanished"]
    assert ("FB", "C-2", "2012-05-18", "2022-06-09") in history(facts)
    assert facts.equals(told([AAPL, META, new], [AAPL, FB], [AAPL, FB]))


def test_a_row_of_the_same_day_is_a_correction(told):
    facts = told([AAPL], [company(name="Apple", changed="2000-03-01")])
    assert (state(facts, "AAPL")["CompanyName"], facts.num_rows) == ("Apple", 1)


def test_the_same_export_again_changes_nothing(told):
    assert told([AAPL, FB], [AAPL, META]).equals(told([AAPL, FB], [AAPL, META], [AAPL, META]))


def test_the_universe_is_that_of_the_session(told):
    gone = company(active="N", changed="2020-01-01")
    facts = told([AAPL, FB], [gone, META])
    days = ["1999-01-04", "2019-12-31", "2020-01-02", "2022-06-08", "2022-06-09"]
    found = {symbol: [str(it) for it in on] for (_, symbol), on in active_days(facts, days).items()}
    assert found == {"AAPL": days[:2], "FB": days[:4], "META": days[4:]}


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9)),
            min_size=1,
            max_size=3,
            unique_by=(lambda it: it[0], lambda it: it[1]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_states_of_a_symbol_never_overlap_whatever_is_told(tmp_path_factory, exports):
    facts = None
    for n, rows in enumerate(exports):
        texts = [company(f"C-{i}", f"T{t}", changed=f"2020-01-0{day}") for i, t, day in rows]
        found = export(tmp_path_factory.mktemp("erp"), *texts)
        facts = learn(facts, found, COMPANIES, told_by(n)).facts
    states = history(facts)
    for symbol in {it[0] for it in states}:
        of = [(first, last) for name, _, first, last in states if name == symbol and first != last]
        assert all(last <= following for (_, last), (following, _) in pairwise(of))
    assert len(dim_company_rows(facts)) == len({it[0] for it in states})
    assert {it[1] for it in states} == set(facts["ITEM_ID"].to_pylist())
    days = [f"2020-01-{day:02}" for day in range(1, 12)]
    for active in active_days(facts, ["2019-12-31", *days]).values():
        assert list(active) == sorted(set(active))


def test_a_symbol_used_again_is_one_companys_on_every_session(told):
    first = company("C-9", "FB", "Frontier Bank", "XNYS", changed="2012-01-03")
    again = company("C-2", "FB", "Facebook", "XNAS", changed="2013-02-15")
    facts = told([first], [again])
    days = ["2000-03-01", "2013-02-14", "2013-02-15"]
    found = {mic: [str(it) for it in on] for (mic, _), on in active_days(facts, days).items()}
    assert found == {"XNYS": days[:2], "XNAS": days[2:]}


def test_the_one_that_exports_still_have_holds_the_symbol(told):
    live = company("C-5", "X", "Live", changed="2010-01-01")
    gone = company("C-4", "X", "Gone", changed="2015-01-01")
    facts = told([gone], [live])
    assert history(facts) == [
        ("X", "C-5", "2010-01-01", "None"),
        ("X", "C-4", "2015-01-01", "2015-01-01"),
    ]
    assert (state(facts, "X")["ItemId"], state(facts, "X")["IsActive"]) == ("C-5", True)


def test_a_company_under_a_new_key_leaves_its_old_one_in_the_history(told):
    facts = told([company("C-1")], [company("C-1001")])
    assert [(it[1], it[3]) for it in history(facts)] == [("C-1", "2020-01-01"), ("C-1001", "None")]
    back = told([company("C-1")], [company("C-1001")], [company("C-1", name="Back")])
    assert {it[1] for it in history(back)} == {"C-1", "C-1001"}


def test_a_delisted_holder_and_the_new_one_stand_in_one_export(told):
    old = company("C-2", "FB", "Old", active="N", changed="2015-01-01")
    facts = told([old, company("C-3", "FB", "New", changed="2020-01-01")])
    assert state(facts, "FB")["CompanyName"] == "New"
    assert facts.num_rows == 2


def test_what_the_erp_takes_back_is_gone(told):
    wrong = company("C-3", "IBM", "Wrong", changed="2012-05-01")
    right = company("C-3", "IBM", "Right", changed="2012-04-01")
    facts = told([AAPL, FB, wrong], [AAPL, FB, right])
    assert [it[1:] for it in history(facts) if it[0] == "IBM"] == [("C-3", "2012-04-01", "None")]
    assert state(facts, "IBM")["CompanyName"] == "Right"


def test_an_export_that_was_superseded_is_late_though_its_days_are_the_same(tmp_path):
    typo, good = company(name="Aple"), company(name="Apple")
    new = company("C-7", "IBM")
    facts = learn(None, export(tmp_path, typo), COMPANIES, told_by(0)).facts
    facts = learn(facts, export(tmp_path, good, new), COMPANIES, told_by(1)).facts
    again = learn(facts, export(tmp_path, typo), COMPANIES, told_by(2, superseded=True))
    assert again.is_late
    assert again.facts.equals(facts)


def test_a_late_export_says_how_much_of_it_is_outdated(told, tmp_path):
    facts = told([AAPL, META])
    late = learn(facts, export(tmp_path, AAPL, FB), COMPANIES, told_by(1))
    assert (late.is_late, late.outdated) == (True, 1)


def test_a_row_that_may_be_anybodys_marks_nobody_vanished(told):
    assert not state(told([AAPL, FB], [AAPL, ',x"y"z']), "FB")["IsVanished"]
    assert not state(told([AAPL, FB], [AAPL, 'C-2,FB,"Face"book"']), "FB")["IsVanished"]
