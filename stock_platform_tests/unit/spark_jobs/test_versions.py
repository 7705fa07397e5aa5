"""A batch is compared with earlier versions, and only differences are written."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform_tests.support.raw_lake import (
    KEYS,
    SESSION,
    changes_of,
    files_of,
    metrics_of,
    raw_line,
    rows_of,
)

OTHER = "2012-01-04"
SPLIT = {"numerator": 3, "denominator": 2}


def line(day=10, **fields):
    """A good record, fetched on a day of November."""
    return raw_line(**{"fetched_at": f"2026-11-{day}T21:00:00+00:00"} | fields)


def all_changes(batch, session=SESSION):
    found = {table: changes_of(batch, table, session) for table in KEYS}
    return {table: changes for table, changes in found.items() if changes}


def test_same_records_again_write_no_file(history):
    rejected = ("junk", line(symbol="GOOG"), line(dividend=-1, symbol="MSFT"))
    history.process(line(dividend=0.5, split=SPLIT), *rejected)
    batch = history.process()
    assert all_changes(batch) == {
        "stock_prices": {"unchanged": 2},
        "corporate_actions": {"unchanged": 2},
        "quarantine": {"unchanged": 3},
    }
    assert [files_of(batch, table) for table in KEYS] == [{}, {}, {}]


def test_restated_values_are_new_versions(history):
    history.process(line(dividend=0.5))
    batch = history.process(line(11, bar_fields={"close": 11.5}, dividend=0.6))
    for table, column, value in (
        ("stock_prices", "Close", 11.5),
        ("corporate_actions", "Value", 0.6),
    ):
        (row,) = rows_of(batch, table)
        assert (row[column], row["Change"], row["BatchId"]) == (value, "restated", "batch-2")
        assert history.current(table) == [row]


def compare(history, earlier, records):
    """Process one record per security, then those given by name, and return the Changes by name.

    The earlier runs are forgotten, so that the batch depends on the versions alone.
    """
    tickers = [f"S{number}" for number in range(len(records))]
    history.lake.symbols = [*tickers, "NEW"]
    history.process(*(line(symbol=ticker, **earlier) for ticker in tickers))
    history.lake.forget()
    later = [
        line(11, **{"symbol": ticker, "security_id": f"ID-{ticker}"} | earlier | fields)
        for ticker, fields in zip(tickers, records.values(), strict=True)
    ]
    batch = history.process(*later)
    names = dict(zip((f"ID-{ticker}" for ticker in tickers), records, strict=True))
    return {
        table: {names[row["SecurityId"]]: row["Change"] for row in rows_of(batch, table)}
        for table in ("stock_prices", "corporate_actions")
    }


def test_only_values_beyond_tolerance_restate_prices(history):
    equal = {
        "client": {"client": "another"},
        "rounded open": {"bar_fields": {"open": 10.000001}},
        "rounded adjusted close": {"bar_fields": {"adj_close": 10.50005}},
    }
    other = {
        "open": {"bar_fields": {"open": 10.0001}},
        "volume": {"bar_fields": {"volume": 1001}},
        "adjusted close": {"bar_fields": {"adj_close": 10.501}},
        "no adjusted close": {"bar_fields": {"adj_close": None}},
        "exchange": {"exchange": "XNYS"},
        "currency": {"currency": "EUR"},
        "ticker": {"symbol": "NEW"},
    }
    changes = compare(history, {}, equal | other)
    assert changes["stock_prices"] == dict.fromkeys(other, "restated")
    days = [row["FetchedAt"].day for row in history.current("stock_prices")]
    assert days == [10] * len(equal) + [11] * len(other)


def test_only_values_beyond_tolerance_restate_actions(history):
    equal = {"nothing": {}, "rounded value": {"dividend": 0.5000001}}
    other = {
        "value": {"dividend": 0.50001},
        "currency": {"dividend_currency": "EUR"},
        "ticker": {"symbol": "NEW"},
    }
    changes = compare(history, {"dividend": 0.5}, equal | other)
    assert changes["corporate_actions"] == dict.fromkeys(other, "restated")


def test_missing_adjusted_close_stays_missing(history):
    history.process(line(bar_fields={"adj_close": None}))
    assert changes_of(history.process(), "stock_prices") == {"unchanged": 1}


def test_emptier_answers_keep_price_and_actions(history):
    absent = {
        outcome: {"outcome": outcome, "bar": None, "dividend": None, "capital_gain": 1}
        for outcome in ("null_bar", "not_listed", "throttled")
    }
    changes = compare(history, {"dividend": 0.5}, absent)
    assert changes == {"stock_prices": {}, "corporate_actions": {}}
    assert all_changes(history.batches[-1]) == {
        "stock_prices": {"kept_earlier": 3},
        "corporate_actions": {"kept_earlier": 3},
        "quarantine": {"new": 1},
    }
    assert metrics_of(history.batches[-1])["sessions"][SESSION]["corporate_actions"] == 0


def test_rejected_bar_withdraws_price(history):
    history.process(line(dividend=0.5))
    before = history.current("stock_prices")[0]
    history.lake.forget()
    batch = history.process(line(11, bar_fields={"high": 1.0}, dividend=0.5))
    (row,) = rows_of(batch, "stock_prices")
    made = {name: row[name] for name in ("BatchId", "KnownFrom", "Change")}
    assert made["Change"] == "withdrawn"
    assert row == before | made
    assert history.current("stock_prices") == []
    assert changes_of(batch, "corporate_actions") == {"unchanged": 1}


def test_unidentified_records_withdraw_their_keys(history):
    unidentified = {
        "ticker": {"symbol": "GOOG"},
        "outcome": {"outcome": "delisted"},
        "time": {"fetched_at": None},
    }
    changes = compare(history, {"dividend": 0.5}, unidentified)
    withdrawn = dict.fromkeys(unidentified, "withdrawn")
    assert changes == {"stock_prices": withdrawn, "corporate_actions": withdrawn}


def test_key_without_a_line_is_untouched(history):
    history.process(line(dividend=0.5), line(symbol="MSFT"))
    history.lake.forget()
    foreign_session = line(11, session=OTHER, bar=None)
    unreadable = line(11, bar=None)[:200]
    batch = history.process(line(11, symbol="MSFT"), foreign_session, unreadable, last=SESSION)
    assert all_changes(batch) == {"stock_prices": {"unchanged": 1}, "quarantine": {"new": 2}}
    assert len(history.current("stock_prices")) == 2


def test_withdrawn_price_can_return(history):
    history.process(line())
    history.lake.forget()
    history.process(line(11, bar_fields={"high": 1.0}))
    batch = history.process(line(12))
    assert all_changes(batch) == {"stock_prices": {"new": 1}, "quarantine": {"withdrawn": 1}}


def test_sessions_have_their_own_versions(history):
    history.lake.sessions = [OTHER]
    history.process(line(), line(session=OTHER))
    history.lake.forget()
    batch = history.process(line(11, session=OTHER), session=OTHER)
    assert list(metrics_of(batch)["sessions"]) == [OTHER]
    assert all_changes(batch, OTHER) == {"stock_prices": {"unchanged": 1}}


def test_action_that_disappears_is_withdrawn(history):
    history.process(line(dividend=0.5, split=SPLIT))
    batch = history.process(line(11, split=SPLIT, capital_gain=1))
    changes = {row["ActionType"]: row["Change"] for row in rows_of(batch, "corporate_actions")}
    assert changes == {"dividend": "withdrawn", "capital_gain": "new"}
    assert len(history.current("corporate_actions")) == 2


def test_answer_without_price_may_withdraw_actions(history):
    answers = {
        outcome: {"outcome": outcome, "dividend": None}
        for outcome in ("throttled", "null_bar", "not_listed")
    }
    earlier = {"outcome": "null_bar", "bar": None, "dividend": 0.5}
    changes = compare(history, earlier, answers)
    assert changes["corporate_actions"] == {"null_bar": "withdrawn", "not_listed": "withdrawn"}
    assert changes_of(history.batches[-1], "corporate_actions")["kept_earlier"] == 1


def test_good_record_withdraws_rejected_ones(history):
    rejected = (line(bar=None), line(bar_fields={"high": 1.0}), line(dividend=-1))
    history.process(*rejected, "junk")
    assert len(history.current("quarantine")) == 4
    history.lake.forget()
    assert changes_of(history.process(line(11)), "quarantine") == {"withdrawn": 3}
    assert [row["Record"] for row in history.current("quarantine")] == ["junk"]


def test_record_that_is_read_again_is_compared_by_text(history):
    # As if an earlier job had been unable to read it.
    (file,) = files_of(history.process("junk"), "quarantine").values()
    version = pq.ParquetFile(file).read()
    index = version.schema.get_field_index("Record")
    pq.write_table(version.set_column(index, "Record", pa.array([line()])), file)
    history.lake.forget()
    batch = history.process(line())
    assert all_changes(batch) == {"stock_prices": {"new": 1}, "quarantine": {"withdrawn": 1}}


def test_equal_rejected_records_have_one_version(history):
    batch = history.process("junk", "junk", line(dividend=-1, capital_gain=-1))
    measured = metrics_of(batch)["sessions"][SESSION]
    assert (measured["quarantined"], measured["bad_corporate_actions"]) == ({"not_json": 2}, 2)
    assert changes_of(batch, "quarantine") == {"new": 2}


def test_ticker_moves_to_another_security(history):
    history.process(line(security_id="1", dividend=0.5), line(security_id="3", symbol="NA"))
    batch = history.process(line(11, security_id="2", dividend=0.6))
    for table in ("stock_prices", "corporate_actions"):
        changes = {row["SecurityId"]: row["Change"] for row in rows_of(batch, table)}
        assert changes == {"1": "withdrawn", "2": "new"}
    measured = metrics_of(batch)["sessions"][SESSION]
    assert (measured["valid"], measured["superseded"]["restated"]) == (2, 1)
    again = history.process()
    assert changes_of(again, "stock_prices") == {"unchanged": 2}
    assert changes_of(again, "corporate_actions") == {"unchanged": 1}


def test_ticker_of_a_security_without_a_line_moves(history):
    history.process(line(security_id="1", dividend=0.5))
    history.lake.forget()
    batch = history.process(line(11, security_id="2"))
    assert changes_of(batch, "stock_prices") == {"new": 1, "withdrawn": 1}
    assert changes_of(batch, "corporate_actions") == {"withdrawn": 1}
    history.process(line(12, security_id="1", outcome="throttled", bar=None))
    assert [row["SecurityId"] for row in history.current("stock_prices")] == ["2"]


def test_earlier_fetch_does_not_take_a_ticker_back(history):
    history.process(line(security_id="1", dividend=0.5), line(11, security_id="2"))
    batch = history.process(securities=["1"])
    assert all_changes(batch) == {}
    assert metrics_of(batch)["sessions"][SESSION]["superseded"]["restated"] == 1
    assert [row["SecurityId"] for row in history.current("stock_prices")] == ["2"]


def test_securities_can_swap_tickers(history):
    history.process(line(security_id="1"), line(security_id="2", symbol="MSFT"))
    batch = history.process(line(11, security_id="2"), line(11, security_id="1", symbol="MSFT"))
    assert changes_of(batch, "stock_prices") == {"restated": 2}


def test_limited_batch_takes_lines_of_its_securities(history):
    history.process(line(security_id="1"), line(security_id='É"', symbol="MSFT"), "junk")
    history.lake.forget()
    text = json.loads(line(11, security_id='É"', symbol="MSFT", bar_fields={"volume": 5}))
    lines = (line(11, security_id="1", bar=None), json.dumps(text, ensure_ascii=False), "trash")
    damaged = line(11, security_id='É"')[:150]
    batch = history.process(*lines, damaged, securities=['É"', "9"])
    assert metrics_of(batch)["sessions"][SESSION]["lines_read"] == 2
    assert all_changes(batch) == {"stock_prices": {"restated": 1}, "quarantine": {"new": 1}}


def test_many_securities_are_compared(history):
    history.lake.symbols = [f"S{number:02}" for number in range(60)]
    history.process(*(line(symbol=symbol) for symbol in history.lake.symbols))
    batch = history.process(line(11, symbol="S07", bar_fields={"volume": 5}))
    assert changes_of(batch, "stock_prices") == {"restated": 1, "unchanged": 59}


@pytest.mark.parametrize("table", ["stock_prices", "quarantine"])
def test_missing_part_of_the_base_is_named(history, table):
    earlier = history.process(line(), "junk")
    (file,) = files_of(earlier, table).values()
    batch = history.lake.batch(base=[earlier])
    file.unlink()
    message = f"The parts of {table} have 0 rows instead of 1. Restore them."
    with pytest.raises(ValueError, match=message):
        history.run_job(batch)
