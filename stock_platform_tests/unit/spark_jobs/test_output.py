"""The job's output in staging: tables, their schema and order, and metrics."""

import gzip
import secrets
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs import process_stock_prices as job
from stock_platform_tests.support.raw_lake import (
    FIRST_KNOWN_FROM,
    KEYS,
    SYMBOLS,
    files_of,
    metrics_of,
    raw_line,
    rows_of,
    table_of,
)

OTHER = "2012-01-04"
NEXT_YEAR = "2013-01-02"
DATES = {"DateKey": pa.int64(), "TradeDate": pa.date32()}
TRADE = DATES | dict.fromkeys(("SecurityId", "Ticker"), pa.string())
TIME = pa.timestamp("us", tz="UTC")
VERSION = {"BatchId": pa.string(), "KnownFrom": TIME, "Change": pa.string()}
SOURCE = {"Currency": pa.string(), "FetchedAt": TIME} | VERSION
OHLC = dict.fromkeys(("Open", "High", "Low", "Close"), pa.float64())
SCHEMAS = {
    "stock_prices": TRADE
    | {"ExchangeCode": pa.string(), **OHLC, "Volume": pa.int64(), "YahooAdjClose": pa.float64()}
    | SOURCE,
    "corporate_actions": TRADE | {"ActionType": pa.string(), "Value": pa.float64()} | SOURCE,
    "quarantine": {"TradeDate": pa.date32()}
    | dict.fromkeys(("SecurityId", "Ticker", "Reason", "Record"), pa.string())
    | VERSION,
}
NO_CHANGES = dict.fromkeys(("new", "restated", "withdrawn", "unchanged", "kept_earlier"), 0)


@pytest.fixture
def batch(lake, run_job):
    lake.add(
        "2012-01-03",
        raw_line("MSFT", dividend=0.2, capital_gain=0.1),
        raw_line("AAPL", dividend=-1, bar_fields={"adj_close": None}),
        raw_line("AAPL", fetched_at="2026-11-22T21:05:35.123455Z", dividend=0.3),
        raw_line("NA", outcome="not_listed", bar=None),
        "no JSON",
        "  ",
    )
    lake.add(OTHER, raw_line("NA", OTHER, fetched_at="2026-11-22T23:05:35+02:00"))
    lake.add("2012-01-05").add(NEXT_YEAR, raw_line("AAPL", NEXT_YEAR), last=NEXT_YEAR)
    batch = lake.batch()
    run_job(batch)
    return batch


@pytest.mark.parametrize("table", SCHEMAS)
def test_table_has_its_columns_in_zstd(batch, table):
    for file in files_of(batch, table).values():
        parquet = pq.ParquetFile(file)
        assert {field.name: field.type for field in parquet.schema_arrow} == SCHEMAS[table]
        assert parquet.schema_arrow.names == list(SCHEMAS[table])
        assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"


def test_year_with_rows_has_one_file(batch):
    assert set(files_of(batch, "stock_prices")) == {"2012", "2013"}
    assert set(files_of(batch, "corporate_actions")) == {"2012"}
    assert set(files_of(batch, "quarantine")) == {"2012"}


def test_metrics_account_for_every_record(batch):
    metrics = metrics_of(batch)
    assert (metrics["batch_id"], metrics["engine"]) == ("batch-1", "sail")
    assert metrics["known_from"] == FIRST_KNOWN_FROM.isoformat()
    assert metrics["sessions"]["2012-01-03"] == {
        "lines_read": 5,
        "valid": 2,
        "quarantined": {"duplicate": 1, "not_json": 1},
        "without_bar": {"not_listed": 1},
        "superseded": {"unchanged": 0, "restated": 0, "kept_earlier": 0},
        "corporate_actions": 3,
        "bad_corporate_actions": 1,
        "adj_close_unusable": 1,
        "changes": {
            "stock_prices": NO_CHANGES | {"new": 2},
            "corporate_actions": NO_CHANGES | {"new": 3},
            "quarantine": NO_CHANGES | {"new": 3},
        },
    }
    assert metrics["sessions"]["2012-01-05"] == {
        "lines_read": 0,
        "valid": 0,
        "quarantined": {},
        "without_bar": {},
        "superseded": {"unchanged": 0, "restated": 0, "kept_earlier": 0},
        "corporate_actions": 0,
        "bad_corporate_actions": 0,
        "adj_close_unusable": 0,
        "changes": dict.fromkeys(SCHEMAS, NO_CHANGES),
    }


def test_quarantine_keeps_records(batch):
    rows = rows_of(batch, "quarantine")
    quarantined = {
        row["Reason"]: (row["SecurityId"], row["Ticker"], row["Record"][:7]) for row in rows
    }
    assert {row["TradeDate"] for row in rows} == {date(2012, 1, 3)}
    assert quarantined == {
        "not_json": (None, None, "no JSON"),
        "duplicate": ("ID-AAPL", "AAPL", '{"symbo'),
        "bad_corporate_action": ("ID-AAPL", "AAPL", '{"symbo'),
    }


def test_times_are_utc_microseconds(batch):
    rows = rows_of(batch, "stock_prices")
    fetched = [(row["Ticker"], row["FetchedAt"]) for row in rows]
    assert fetched[0] == ("AAPL", datetime(2026, 11, 22, 21, 5, 35, 123456, tzinfo=UTC))
    assert fetched[2] == ("NA", datetime(2026, 11, 22, 21, 5, 35, tzinfo=UTC))
    assert {row["KnownFrom"] for row in rows} == {FIRST_KNOWN_FROM}


def test_duckdb_reads_prices_with_year(batch):
    files = f"{batch.output_uri}/stock_prices/*/*.parquet"
    relation = duckdb.read_parquet(files, hive_partitioning=True)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert types["FetchedAt"] == "TIMESTAMP WITH TIME ZONE"
    assert types["TradeDate"] == "DATE"
    day = "DateKey = strftime(TradeDate, '%Y%m%d')::INT"
    assert len(relation.filter(f"year = year(TradeDate) AND {day}")) == 4


def test_rows_are_sorted(lake, run_job):
    tickers = ("NA", "AAPL", "MSFT")
    actions = {"dividend": 1, "capital_gain": 1, "split": {"numerator": 2, "denominator": 1}}
    for session in ("2012-01-03", OTHER):
        lake.add(
            session,
            *(raw_line(ticker, session, **actions) for ticker in tickers),
            *("junk", "trash", raw_line("GOOG", session), raw_line("AAPL", session, bar=None)),
        )
    run_job(batch := lake.batch())
    for table, key in KEYS.items():
        keys = [
            tuple(str(row[name] or "") for name in key)
            for row in table_of(batch, table).to_pylist()
        ]
        assert len(keys) >= 6
        assert keys == sorted(keys)


def test_latest_valid_fetch_wins(lake, run_job):
    times = ("2026-11-22T21:00:00Z", "2026-11-23T21:00:00Z", "2026-11-21T21:00:00+00:00")
    good = [raw_line(fetched_at=at, bar_fields={"volume": n}) for n, at in enumerate(times)]
    later_but_bad = raw_line(fetched_at="2026-11-24T21:00:00Z", bar=None)
    lake.add("2012-01-03", *good, later_but_bad, good[1])
    run_job(batch := lake.batch())
    assert [row["Volume"] for row in rows_of(batch, "stock_prices")] == [1]
    quarantined = metrics_of(batch)["sessions"]["2012-01-03"]["quarantined"]
    assert quarantined == {"duplicate": 3, "null_bar": 1}


def test_repeated_request_gives_equal_rows(lake, run_job):
    same_time = (raw_line(bar_fields={"volume": v}, dividend=v) for v in range(1, 20))
    lake.add("2012-01-03", *same_time, "junk")
    batches = [lake.batch("first"), lake.batch("second")]
    for batch in (*batches, batches[0]):
        run_job(batch)
    for table in SCHEMAS:
        first, second = (table_of(batch, table) for batch in batches)
        order = [(name, "ascending") for name in first.column_names]
        assert first.sort_by(order).equals(second.sort_by(order))
    assert metrics_of(batches[0]) == metrics_of(batches[1])


def test_batch_of_empty_sessions_succeeds(lake, run_job):
    lake.add("2012-01-03")
    run_job(batch := lake.batch())
    assert metrics_of(batch)["sessions"]["2012-01-03"]["lines_read"] == 0
    assert rows_of(batch, "stock_prices") == []


def test_lake_path_may_contain_dates(lake, run_job, tmp_path):
    (tmp_path / "my lake" / "date=1999-01-01").mkdir(parents=True)
    inner = type(lake)(tmp_path / "my lake" / "date=1999-01-01")
    run_job(batch := inner.add("2012-01-03", raw_line()).batch())
    assert len(rows_of(batch, "stock_prices")) == 1


def test_missing_file_fails_without_metrics(lake, run_job):
    lake.add("2012-01-03", raw_line()).add(OTHER, raw_line(session=OTHER))
    lake.file(OTHER).unlink()
    batch = lake.batch()
    message = rf"1 record files do not exist: .*{OTHER}_a/records-00000.json.gz. Restore it, or"
    with pytest.raises(FileNotFoundError, match=message):
        run_job(batch)
    assert not Path(batch.output_uri, "metrics.json").exists()


def test_truncated_file_is_named(lake, run_job):
    file = lake.add("2012-01-03", raw_line()).file("2012-01-03")
    file.write_bytes(file.read_bytes()[:-20])
    message = r"_a/records-00000.json.gz has another SHA-256 than in its manifest. Restore it, or"
    with pytest.raises(Exception, match=message):
        run_job(lake.batch())


def test_wrong_number_of_lines_is_named(lake, run_job):
    file = lake.add("2012-01-03", raw_line()).file("2012-01-03")
    lake.files[str(file)]["lines"] = 2
    message = r"_a/records-00000.json.gz has 1 lines instead of 2. Restore it, or"
    with pytest.raises(Exception, match=message):
        run_job(lake.batch())


def test_every_gzip_member_is_read(lake, run_job):
    file = lake.add("2012-01-03", raw_line()).file("2012-01-03")
    content = file.read_bytes() + gzip.compress(raw_line("MSFT").encode())
    file.write_bytes(content)
    lake.files[str(file)] |= {"lines": 2, "sha256": sha256(content).hexdigest()}
    run_job(batch := lake.batch())
    assert metrics_of(batch)["sessions"]["2012-01-03"]["valid"] == 2


def test_file_of_another_run_is_rejected(lake, run_job):
    file = lake.add("2012-01-03", raw_line()).file("2012-01-03")
    lake.files[str(file)]["run"] = "b"
    with pytest.raises(ValueError, match=r"records-00000\.json\.gz must be in a folder run=b"):
        run_job(lake.batch())


def test_only_requested_sessions_count(lake, run_job):
    lake.add("2012-01-03", raw_line(), raw_line(session=OTHER), raw_line(session="2012-01-05"))
    lake.add(OTHER, run="b")
    run_job(batch := lake.batch())
    sessions = metrics_of(batch)["sessions"]
    assert {session: counts["lines_read"] for session, counts in sessions.items()} == {
        "2012-01-03": 1,
        OTHER: 1,
    }


def test_damaged_line_belongs_to_one_session(lake, run_job):
    lake.add("2012-01-03", raw_line(session=OTHER)[:80], "no session", raw_line()).add(OTHER)
    run_job(batch := lake.batch())
    damaged = {(str(row["TradeDate"]), row["Record"]) for row in rows_of(batch, "quarantine")}
    assert damaged == {(OTHER, raw_line(session=OTHER)[:80]), ("2012-01-03", "no session")}


def test_run_may_have_many_files(lake, run_job):
    lake.add("2012-01-03", raw_line()).add("2012-01-03", raw_line("MSFT"), raw_line())
    run_job(batch := lake.batch())
    counts = metrics_of(batch)["sessions"]["2012-01-03"]
    assert (counts["valid"], counts["quarantined"]) == (2, {"duplicate": 1})


def test_request_without_files_is_refused(lake, run_job):
    lake.sessions = ["2012-01-03"]
    with pytest.raises(ValueError, match="names no record file"):
        run_job(lake.batch())


def test_lines_are_read_and_classified_in_pieces(lake, run_job, monkeypatch):
    monkeypatch.setattr(job, "LINES_AT_ONCE", 2)
    for day in ("2012-01-03", "2012-02-01", "2012-03-01"):
        lines = [raw_line(symbol, day) for symbol in SYMBOLS]
        lake.add(day, *lines[:2], "{", last=day).add(day, lines[2], last=day)
    run_job(batch := lake.batch())
    assert len(rows_of(batch, "stock_prices")) == 9
    assert len(list(Path(batch.output_uri, "lines").iterdir())) == 3
    measured = metrics_of(batch)["sessions"].values()
    assert [(of["lines_read"], of["quarantined"]) for of in measured] == [(4, {"not_json": 1})] * 3


def test_missing_request_is_named(lake, run_job):
    batch = lake.add("2012-01-03").batch()
    Path(batch.request_uri).unlink()
    with pytest.raises(ValueError, match="no request at"):
        run_job(batch)


def test_large_file_is_read_once(lake, run_job):
    # Sail 0.7 reads a binaryFile twice if it splits a list of megabytes between its cores.
    sessions = [f"2012-01-{day:02}" for day in range(1, 6)]
    for session in sessions:
        lake.add(session, raw_line(session=session, error=secrets.token_hex(700_000)))
    run_job(batch := lake.batch())
    read = {
        session: counts["lines_read"] for session, counts in metrics_of(batch)["sessions"].items()
    }
    assert read == dict.fromkeys(sessions, 1)
