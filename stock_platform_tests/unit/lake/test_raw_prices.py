"""Raw price objects: pivoting, publishing and reconciling records."""

import gzip

import pytest

from stock_platform.lake import files, raw_prices
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_prices import RawPriceBuffer
from stock_platform.market_data.reconcile import choose_record

SESSION = "2012-01-03"
BAR = {"open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "adj_close": 1.9, "volume": 10}


def record(symbol="A", session=SESSION, outcome="ok", fetched_at="2026-01-01T00:00:00Z", **changes):
    return {
        "symbol": symbol,
        "session_date": session,
        "outcome": outcome,
        "exchange": "XNYS",
        "currency": "USD",
        "bar": {**BAR, **changes} if outcome == "ok" else None,
        "later_splits": [],
        "fetched_at": fetched_at,
        "response_sha256": fetched_at,
    }


@pytest.fixture(params=["directory", "memory"])
def paths(request, tmp_path):
    root = str(tmp_path) if request.param == "directory" else f"memory://{tmp_path.name}"
    return LakePaths(root)


def publish(paths, *records):
    return raw_prices.publish(paths, SESSION, records, choose_record)["changes"]


def stored(paths):
    return {found["symbol"]: found for found in raw_prices.read(paths, SESSION)}


def test_records_are_sorted_and_read_back(paths):
    assert publish(paths, record("B"), record("A")) == {"new": 2}
    assert list(stored(paths)) == ["A", "B"]


def test_equal_response_changes_no_byte(paths):
    publish(paths, record(fetched_at="2026-01-01T00:00:00Z"))
    before = files.read(paths.raw_prices(SESSION))
    assert publish(paths, record(fetched_at="2026-02-02T00:00:00Z")) == {"unchanged": 1}
    assert files.read(paths.raw_prices(SESSION)) == before


def test_restated_price_replaces_the_record(paths):
    publish(paths, record())
    assert publish(paths, record(close=3.0, fetched_at="2026-02-02T00:00:00Z")) == {"restated": 1}
    assert stored(paths)["A"]["bar"]["close"] == 3.0
    assert stored(paths)["A"]["fetched_at"] == "2026-02-02T00:00:00Z"


@pytest.mark.parametrize(("adj_close", "change"), [(1.9000001, "unchanged"), (1.8, "restated")])
def test_tiny_adjusted_close_change_is_ignored(paths, adj_close, change):
    publish(paths, record())
    assert publish(paths, record(adj_close=adj_close)) == {change: 1}


@pytest.mark.parametrize("failure", ["throttled", "upstream_error"])
def test_transient_failure_never_replaces_a_bar(paths, failure):
    publish(paths, record())
    assert publish(paths, record(outcome=failure)) == {"kept_earlier": 1}
    assert stored(paths)["A"]["outcome"] == "ok"


def test_bar_replaces_a_failure(paths):
    publish(paths, record(outcome="throttled"))
    assert publish(paths, record()) == {"restated": 1}
    assert stored(paths)["A"]["outcome"] == "ok"


@pytest.mark.parametrize("outcome", ["unknown_symbol", "null_bar", "not_listed", "live_bar"])
def test_null_bar_never_replaces_a_bar(paths, outcome):
    publish(paths, record())
    assert publish(paths, record(outcome=outcome)) == {"kept_earlier": 1}
    assert stored(paths)["A"]["outcome"] == "ok"
    assert raw_prices.last_fetch(paths, SESSION)["A"]["outcome"] == outcome


def test_removed_symbol_keeps_its_history(paths):
    publish(paths, record("A"), record("B"))
    publish(paths, record("A"))
    assert list(stored(paths)) == ["A", "B"]
    assert list(raw_prices.last_fetch(paths, SESSION)) == ["A"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: gzip.compress(gzip.decompress(content) + b"not json\n[1]\n{}\n"),
        lambda content: content[:-20],
        lambda _: b"not gzip",
        lambda _: b"",
    ],
    ids=["invalid lines", "truncated", "not gzip", "empty"],
)
def test_next_fetch_repairs_damaged_object(paths, damage):
    publish(paths, record())
    intact = files.read(paths.raw_prices(SESSION))
    files.write(paths.raw_prices(SESSION), damage(intact))
    publish(paths, record())
    assert files.read(paths.raw_prices(SESSION)) == intact


def test_buffer_pivots_symbols_to_sessions(monkeypatch):
    monkeypatch.setattr(raw_prices, "_BUFFER_BYTES", 300)
    symbols = ["A", "^GSPC", "0700.HK"]
    with RawPriceBuffer() as buffer:
        for symbol in symbols:
            buffer.add([record(symbol, day) for day in ("2012-01-03", "2012-01-04")])
            buffer.archive([{"url": symbol, "body": "{}"}])
        for day in ("2012-01-03", "2012-01-04"):
            assert [found["symbol"] for found in buffer.records(day)] == symbols
        assert buffer.records("2012-01-05") == []
        assert len(gzip.decompress(buffer.responses_file.read_bytes()).splitlines()) == 3
        folder = buffer.responses_file.parent
    assert not folder.exists()
