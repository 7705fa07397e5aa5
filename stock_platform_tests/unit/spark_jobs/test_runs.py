"""The choice between several runs that fetched the same symbol and session."""

import itertools
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stock_platform_tests.support.raw_lake import (
    BAR,
    SESSION,
    RawLake,
    metrics_of,
    raw_line,
    rows_of,
    split,
)

NO_SUPERSEDED = {"unchanged": 0, "restated": 0, "kept_earlier": 0}
NULL_BAR = {"outcome": "null_bar", "bar": None}
THROTTLED = {"outcome": "throttled", "bar": None}


def fetched(number):
    return f"2026-11-{number + 10}T21:00:00+00:00"


def restated(**bar):
    return {"bar_fields": bar}


@pytest.fixture
def process(lake, run_job):
    """Runs the job on runs of one record each, fetched one day after another."""

    def process_records(*records):
        for number, fields in enumerate(records):
            line = raw_line(**({"fetched_at": fetched(number)} | fields))
            lake.add(SESSION, line, run=str(number))
        run_job(batch := lake.batch())
        return batch

    return process_records


def superseded_of(batch):
    counts = metrics_of(batch)["sessions"][SESSION]["superseded"]
    assert set(counts) == set(NO_SUPERSEDED)
    return {kind: count for kind, count in counts.items() if count}


def price_of(batch):
    (row,) = rows_of(batch, "stock_prices")
    return row


A, B = restated(close=10.0), restated(close=11.5)


@pytest.mark.parametrize(
    ("records", "close", "first", "superseded"),
    [
        ([A], 10.0, 0, {}),
        ([A, A], 10.0, 0, {"unchanged": 1}),
        ([A, B], 11.5, 1, {"restated": 1}),
        ([A, A, B, B], 11.5, 2, {"restated": 2, "unchanged": 1}),
        ([A, B, A], 10.0, 2, {"restated": 2}),
        ([A, NULL_BAR], 10.0, 0, {"kept_earlier": 1}),
        ([A, THROTTLED, A, NULL_BAR], 10.0, 0, {"restated": 1, "unchanged": 1, "kept_earlier": 1}),
        ([NULL_BAR, A], 10.0, 1, {"restated": 1}),
    ],
    ids=itertools.count(),
)
def test_latest_bar_wins_since_its_first_fetch(process, records, close, first, superseded):
    batch = process(*records)
    assert superseded_of(batch) == superseded
    assert price_of(batch)["Close"] == close
    assert price_of(batch)["FetchedAt"] == datetime.fromisoformat(fetched(first))


def test_time_decides_whatever_the_run(process):
    batch = process(B | {"fetched_at": fetched(5)}, A)
    assert price_of(batch)["Close"] == 11.5
    assert superseded_of(batch) == {"restated": 1}


def test_text_breaks_equal_times(process):
    batch = process(B | {"fetched_at": fetched(0)}, A | {"fetched_at": fetched(0)})
    assert price_of(batch)["Close"] == 11.5
    assert superseded_of(batch) == {"restated": 1}


def test_transient_outcome_keeps_earlier_absence(process):
    batch = process(THROTTLED, NULL_BAR, THROTTLED, {"outcome": "upstream_error", "bar": None})
    assert superseded_of(batch) == {"restated": 1, "kept_earlier": 2}
    assert metrics_of(batch)["sessions"][SESSION]["quarantined"] == {"null_bar": 1}
    assert metrics_of(batch)["sessions"][SESSION]["without_bar"] == {}


def test_later_split_leaves_price_unchanged(process):
    halved = {name: value / 2 for name, value in raw_bar().items()} | {"volume": 2000}
    batch = process({}, {"bar_fields": halved, "later_splits": [split(2, 1)]})
    assert superseded_of(batch) == {"unchanged": 1}
    price = price_of(batch)
    # The adjusted close stays as of FetchedAt: checks compare those of one response.
    assert (price["Close"], price["Volume"], price["YahooAdjClose"]) == (11.0, 1000, 10.5)
    assert price["FetchedAt"] == datetime.fromisoformat(fetched(0))


def raw_bar():
    return json.loads(raw_line())["bar"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (restated(open=10.000001), "unchanged"),
        (restated(open=10.0001), "restated"),
        (restated(adj_close=10.50005), "unchanged"),
        (restated(adj_close=10.501), "restated"),
        (restated(adj_close=None), "restated"),
        (restated(volume=1001), "restated"),
        ({"exchange": "XNYS"}, "restated"),
        ({"currency": "EUR"}, "restated"),
        ({"dividend_currency": "EUR"}, "restated"),
        ({"capital_gain": 0.1}, "restated"),
        ({"split": {"numerator": 3, "denominator": 2}}, "restated"),
        ({"client": "another", "response_sha256": "cd" * 32, "error": "x"}, "unchanged"),
    ],
    ids=str,
)
def test_only_market_values_restate(process, fields, kind):
    assert superseded_of(process({}, fields)) == {kind: 1}


def test_dividend_added_later_is_stored(process):
    batch = process({"dividend": None}, {"dividend": 0.25}, {"dividend": 0.25})
    assert superseded_of(batch) == {"restated": 1, "unchanged": 1}
    (action,) = rows_of(batch, "corporate_actions")
    assert (action["ActionType"], action["Value"]) == ("dividend", 0.25)
    assert action["FetchedAt"] == datetime.fromisoformat(fetched(1))


def test_withdrawn_dividend_is_not_stored(process):
    assert rows_of(process({"dividend": 0.25}, {"dividend": None}), "corporate_actions") == []


def test_duplicates_stay_with_their_run(lake, run_job):
    lake.add(SESSION, raw_line(fetched_at=fetched(0)), run="earlier")
    times = (fetched(1), fetched(2), fetched(2))
    lake.add(SESSION, *(raw_line(fetched_at=at, **B) for at in times), run="later")
    run_job(batch := lake.batch())
    assert metrics_of(batch)["sessions"][SESSION]["quarantined"] == {"duplicate": 2}
    assert superseded_of(batch) == {"restated": 1}
    assert price_of(batch)["Close"] == 11.5


def test_superseded_duplicates_are_not_quarantined(lake, run_job):
    lake.add(SESSION, *[raw_line(fetched_at=fetched(0), dividend=-1)] * 2, run="earlier")
    lake.add(SESSION, raw_line(fetched_at=fetched(1)), run="later")
    run_job(batch := lake.batch())
    assert superseded_of(batch) == {"restated": 2}
    assert rows_of(batch, "quarantine") == []


def test_invalid_bar_supersedes_valid_one(process):
    batch = process({}, restated(high=1.0))
    assert superseded_of(batch) == {"restated": 1}
    assert rows_of(batch, "stock_prices") == []
    assert [row["Reason"] for row in rows_of(batch, "quarantine")] == ["ohlc_inconsistent"]


def test_later_reverse_split_is_no_restatement(process):
    ten_times = {name: price * 10 for name, price in BAR.items()}
    received = {"bar_fields": ten_times | {"volume": 100}, "later_splits": [split(1, 10)]}
    batch = process(restated(volume=1003), received)
    assert superseded_of(batch) == {"unchanged": 1}
    assert price_of(batch)["Volume"] == 1003


def test_unchanged_null_bar_keeps_its_record(process):
    (row,) = rows_of(process(NULL_BAR, NULL_BAR), "quarantine")
    assert fetched(0) in row["Record"]


def test_record_of_a_foreign_session_is_quarantined(lake, run_job):
    day_after = "2012-01-04"
    lake.add(SESSION, raw_line(session=day_after), last=SESSION).add(day_after)
    run_job(batch := lake.batch())
    (row,) = rows_of(batch, "quarantine")
    assert (str(row["TradeDate"]), row["Reason"]) == (SESSION, "wrong_session")
    assert rows_of(batch, "stock_prices") == []


def test_unidentified_lines_of_all_runs_are_quarantined(process):
    foreign = {"symbol": "GOOG"}
    batch = process(foreign, {}, foreign, {"outcome": "delisted"})
    reasons = Counter(row["Reason"] for row in rows_of(batch, "quarantine"))
    assert reasons == {"unknown_ticker": 2, "unknown_outcome": 1}
    assert superseded_of(batch) == {}
    assert price_of(batch)["FetchedAt"] == datetime.fromisoformat(fetched(1))


RANKS = {"ok": 2, "null_bar": 1, "no_session": 1, "throttled": 0, "upstream_error": 0}


def random_fields(chance):
    outcome = chance.choices(list(RANKS), [6, 2, 1, 1, 1])[0]
    if outcome != "ok":
        return {"outcome": outcome, "bar": None, "dividend": chance.choice([None, 0.5])}
    fields = {
        "dividend": chance.choice([None, None, 0.5]),
        "currency": chance.choice(["USD"] * 5 + ["EUR"]),
    }
    factor = chance.choice([1, 1, 2])
    bar = {name: value / factor for name, value in raw_bar().items()}
    volume = chance.choice([1000, 1000, 2000]) * factor
    later = [split(factor, 1)] if factor > 1 else []
    return fields | {"bar_fields": bar | {"volume": volume}, "later_splits": later}


def values_of(record):
    """The compared values: as traded, so that a later split makes no difference."""
    factor = record["later_splits"][0]["numerator"] if record["later_splits"] else 1
    bar = record["bar"] and [
        value / factor if name == "volume" else value * factor
        for name, value in record["bar"].items()
    ]
    dividend = record["dividend"] and record["dividend"] * factor
    return [record["outcome"], record["currency"], dividend, bar]


def expected(lines):
    """A plain fold over the (run, text) of one symbol: superseded lines, and the price."""
    order = sorted(
        ((run, json.loads(text), text) for run, text in lines),
        key=lambda line: (RANKS[line[1]["outcome"]], line[1]["fetched_at"], line[2], line[0]),
        reverse=True,
    )
    winning_run, winner, _ = order[0]
    streak = list(itertools.takewhile(lambda line: values_of(line[1]) == values_of(winner), order))
    superseded = Counter()
    for line in order:
        run, record, text = line
        if run == winning_run:
            continue
        if record["fetched_at"] > winner["fetched_at"]:
            superseded[run, text, "kept_earlier"] += 1
        else:
            superseded[run, text, "unchanged" if line in streak else "restated"] += 1
    if winner["outcome"] != "ok":
        return superseded, None
    first = streak[-1][1]
    fetched_at = datetime.fromisoformat(first["fetched_at"])
    return superseded, (values_of(first)[-1][-1], fetched_at, first["bar"]["adj_close"])


def test_choice_equals_a_plain_fold(tmp_path, run_job):
    chance = random.Random(20261127)  # noqa: S311 - test data
    symbols = [f"S{number:03}" for number in range(300)]
    runs = {run: [] for run in "abcdef"}
    by_symbol = {symbol: [] for symbol in symbols}
    for symbol, run in itertools.product(symbols, runs):
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            at = datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=chance.randrange(8))
            line = raw_line(symbol, fetched_at=at.isoformat(), **random_fields(chance))
            runs[run].append(line)
            by_symbol[symbol].append((run, line))
    lake = RawLake(tmp_path, symbols)
    for run, lines in runs.items():
        lake.add(SESSION, *lines, run=run)
    run_job(batch := lake.batch())

    found = {symbol: Counter() for symbol in symbols}
    for line in pq.read_table(Path(batch.output_uri, "lines")).to_pylist():
        if line["Superseded"]:
            run = line["Run"][-1]
            found[line["Ticker"]][run, line["Text"], line["Superseded"]] += 1
    prices = {
        row["Ticker"]: (row["Volume"], row["FetchedAt"], row["YahooAdjClose"])
        for row in rows_of(batch, "stock_prices")
    }
    totals = Counter()
    for symbol, own in by_symbol.items():
        superseded, price = expected(own) if own else (Counter(), None)
        assert (found[symbol], prices.get(symbol)) == (superseded, price), own
        for (*_, kind), count in superseded.items():
            totals[kind] += count
    assert superseded_of(batch) == totals
    assert min(totals[kind] for kind in NO_SUPERSEDED) > 50
