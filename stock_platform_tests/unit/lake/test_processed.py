"""The processed layer as its commits describe it."""

from pathlib import Path

import pytest

from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import part_uri, read_state, verify
from stock_platform.lake.versions import VERSION_SCHEMAS, batch_rows, current_rows, rows_by_session
from stock_platform_tests.support.commits import (
    SESSION,
    action,
    add_batch,
    flipped,
    price,
    quarantined,
    some_bits,
)
from stock_platform_tests.support.raw_runs import store_run

NEXT, NEXT_YEAR = "2012-01-04", "2013-01-02"
SESSIONS = (SESSION, NEXT, NEXT_YEAR)


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path))


def closes(paths, *sessions):
    """Closes of the current prices, by security and session."""
    rows = current_rows(paths, read_state(paths), "stock_prices", sessions or SESSIONS)
    columns = (rows[name].to_pylist() for name in ("SecurityId", "TradeDate", "Close"))
    return {(security, str(day)): close for security, day, close in zip(*columns, strict=True)}


def test_newest_version_is_current(paths):
    add_batch(paths, {"stock_prices": [price("C-1", Close=1.0), price("C-2", Close=5.0)]}, day=1)
    add_batch(paths, {"stock_prices": [price("C-1", Close=2.0, Change="restated")]}, day=2)
    assert closes(paths) == {("C-1", SESSION): 2.0, ("C-2", SESSION): 5.0}


def test_withdrawn_key_has_no_row_until_it_returns(paths):
    add_batch(paths, {"stock_prices": [price(Close=1.0)]}, day=1)
    add_batch(paths, {"stock_prices": [price(Close=1.0, Change="withdrawn")]}, day=2)
    assert closes(paths) == {}
    add_batch(paths, {"stock_prices": [price(Close=3.0)]}, day=3)
    assert closes(paths) == {("C-1", SESSION): 3.0}


def test_rows_of_all_parts_are_current(paths):
    add_batch(paths, {"stock_prices": [price(), price("C-1", NEXT_YEAR)]}, day=1, sessions=SESSIONS)
    add_batch(paths, {"stock_prices": [price("C-1", NEXT)]}, day=2, sessions=[NEXT])
    assert list(closes(paths)) == [("C-1", session) for session in SESSIONS]
    assert list(closes(paths, NEXT)) == [("C-1", NEXT)]
    assert list(closes(paths, SESSION, NEXT_YEAR)) == [("C-1", SESSION), ("C-1", NEXT_YEAR)]


def test_actions_of_a_day_are_separate_keys(paths):
    rows = [action(), action(ActionType="split", Value=2.0)]
    add_batch(paths, {"corporate_actions": rows}, day=1)
    withdrawn = [action(Change="withdrawn")]
    add_batch(paths, {"corporate_actions": withdrawn}, day=2)
    found = current_rows(paths, read_state(paths), "corporate_actions", [SESSION])
    assert found["ActionType"].to_pylist() == ["split"]


def test_quarantined_records_without_security_are_kept_apart(paths):
    rows = [quarantined(None, Record="a"), quarantined(None, Record="b"), quarantined("C-1")]
    add_batch(paths, {"quarantine": rows}, day=1)
    add_batch(paths, {"quarantine": [quarantined(None, Record="a", Change="withdrawn")]}, day=2)
    found = current_rows(paths, read_state(paths), "quarantine", [SESSION])
    assert sorted(found["Record"].to_pylist()) == ["b", "{}"]


@pytest.mark.parametrize("table", VERSION_SCHEMAS)
def test_empty_layer_has_no_rows_of_the_schema(paths, table):
    found = current_rows(paths, read_state(paths), table, SESSIONS)
    assert (found.num_rows, found.schema) == (0, VERSION_SCHEMAS[table])


def test_columns_are_selected(paths):
    add_batch(paths, {"stock_prices": [price()]}, day=1)
    names = ["Close", "Ticker"]
    found = current_rows(paths, read_state(paths), "stock_prices", [SESSION], names)
    assert found.to_pylist() == [{"Close": 10.0, "Ticker": "T-C-1"}]


def test_parts_of_other_dates_are_not_read(paths):
    add_batch(paths, {"stock_prices": [price("C-1", NEXT)]}, day=1, sessions=[NEXT])
    add_batch(paths, {"stock_prices": [price("C-1", NEXT_YEAR)]}, day=2, sessions=[NEXT_YEAR])
    (first, second) = read_state(paths).parts("stock_prices")
    state = read_state(paths)
    assert state.parts("stock_prices", [NEXT]) == [first]
    assert state.parts("stock_prices", [NEXT, NEXT_YEAR]) == [first, second]
    assert state.parts("stock_prices", [SESSION, "2012-06-01"]) == [first]  # within the bounds
    assert state.parts("stock_prices", [SESSION]) == []
    assert state.parts("quarantine") == []
    Path(part_uri(paths, second)).unlink()
    assert list(closes(paths, SESSION, NEXT)) == [("C-1", NEXT)]


def test_refused_batch_changes_no_row_and_no_base(paths):
    batch = add_batch(paths, {"stock_prices": [price()]}, day=1)
    add_batch(paths, day=2, reasons=["too few prices"])
    state = read_state(paths)
    assert (state.base, state.newest(SESSION), state.sessions) == (0, batch, [SESSION])
    assert list(closes(paths)) == [("C-1", SESSION)]


def test_rows_of_a_batch_include_withdrawn_ones(paths):
    add_batch(paths, {"stock_prices": [price(), price("C-2")]}, day=1)
    second = add_batch(paths, {"stock_prices": [price(Change="withdrawn")]}, day=2)
    rows = batch_rows(paths, read_state(paths), second, "stock_prices")
    assert rows["Change"].to_pylist() == ["withdrawn"]
    assert rows_by_session(rows) == {SESSION: 1}
    assert batch_rows(paths, read_state(paths), second, "quarantine").num_rows == 0


def test_sessions_of_runs_are_pending_until_processed(paths):
    run = store_run(paths, sessions=SESSIONS)
    name = str(run.name)
    assert read_state(paths).pending(run) == list(SESSIONS)
    add_batch(paths, day=1, sessions=[SESSION], runs=[name], open_runs=[name])
    add_batch(paths, day=2, sessions=[NEXT], runs=["another"])
    state = read_state(paths)
    assert state.pending(run) == [NEXT, NEXT_YEAR]
    assert name not in state.closed_runs
    assert state.processed_runs(SESSION) == {name}
    assert state.processed_runs(NEXT) == {"another"}


def test_refused_sessions_are_not_pending(paths):
    run = store_run(paths, sessions=SESSIONS)
    name = str(run.name)
    add_batch(paths, day=1, sessions=SESSIONS[:2], runs=[name], open_runs=[name], reasons=["few"])
    add_batch(paths, day=2, sessions=[NEXT_YEAR], runs=[name])
    state = read_state(paths)
    assert state.pending(run) == []
    assert name in state.closed_runs
    assert state.sessions == [NEXT_YEAR]


def test_reopened_log_keeps_a_closed_run_closed(paths):
    run = store_run(paths, sessions=[SESSION])
    for day in (1, 2):
        add_batch(paths, day=day, runs=[str(run.name)])
    assert read_state(paths).closed_runs == {str(run.name)}


def test_repeated_batch_is_recognised(paths):
    first = add_batch(paths, day=1, sessions=[SESSION, NEXT])
    assert read_state(paths).current("batch-1", [SESSION, NEXT]) == first
    assert read_state(paths).current("batch-2", [SESSION, NEXT]) is None
    assert read_state(paths).unused_id("batch-1") == "batch-1-0"
    add_batch(paths, day=2, sessions=[NEXT])
    assert read_state(paths).current("batch-1", [SESSION, NEXT]) is None


def test_flipped_bits_of_a_part_are_named(paths):
    commit = add_batch(paths, {"stock_prices": [price(f"C-{i}") for i in range(50)]}, day=1)
    (part,) = commit.parts
    verify(paths, commit.parts)
    file = Path(part_uri(paths, part))
    content = file.read_bytes()
    for bit in some_bits(content):
        file.write_bytes(flipped(content, bit))
        with pytest.raises(CorruptObjectError, match=rf"{file.name} is missing or was changed"):
            verify(paths, commit.parts)


def test_missing_part_is_named(paths):
    commit = add_batch(paths, {"stock_prices": [price()], "quarantine": [quarantined()]}, day=1)
    Path(part_uri(paths, commit.parts[1])).unlink()
    with pytest.raises(CorruptObjectError, match=r"quarantine/.* is missing or was changed"):
        verify(paths, commit.parts)
