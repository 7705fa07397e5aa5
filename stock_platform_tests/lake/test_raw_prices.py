"""Raw lines become an object a session; known answers survive failures and repetitions."""

import gzip

import pytest

from stock_platform.lake import files, raw_prices
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_prices import RawPriceSpool
from stock_platform.sources.restatement import settle

SESSION = "2012-01-03"
BAR = {"open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "adj_close": 1.9, "volume": 10}


def line(symbol="A", session=SESSION, outcome="ok", fetched_at="2026-01-01T00:00:00Z", **changes):
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


def publish(paths, *lines):
    return raw_prices.publish(paths, SESSION, lines, settle)["changes"]


def stored(paths):
    return {it["symbol"]: it for it in raw_prices.read(paths, SESSION)}


def test_lines_are_sorted_and_read_back(paths):
    assert publish(paths, line("B"), line("A")) == {"new": 2}
    assert list(stored(paths)) == ["A", "B"]


def test_the_same_answer_later_changes_no_byte(paths):
    publish(paths, line(fetched_at="2026-01-01T00:00:00Z"))
    before = files.read(paths.raw_prices(SESSION))
    assert publish(paths, line(fetched_at="2026-02-02T00:00:00Z")) == {"unchanged": 1}
    assert files.read(paths.raw_prices(SESSION)) == before


def test_a_restated_price_replaces_the_line(paths):
    publish(paths, line())
    assert publish(paths, line(close=3.0, fetched_at="2026-02-02T00:00:00Z")) == {"restated": 1}
    assert stored(paths)["A"]["bar"]["close"] == 3.0
    assert stored(paths)["A"]["fetched_at"] == "2026-02-02T00:00:00Z"


@pytest.mark.parametrize(("adj_close", "change"), [(1.9000001, "unchanged"), (1.8, "restated")])
def test_an_adjusted_close_may_wobble_but_not_move(paths, adj_close, change):
    publish(paths, line())
    assert publish(paths, line(adj_close=adj_close)) == {change: 1}


@pytest.mark.parametrize("failure", ["throttled", "upstream_error"])
def test_a_transient_failure_never_replaces_an_answer(paths, failure):
    publish(paths, line())
    assert publish(paths, line(outcome=failure)) == {"kept_earlier": 1}
    assert stored(paths)["A"]["outcome"] == "ok"


def test_an_answer_replaces_a_failure(paths):
    publish(paths, line(outcome="throttled"))
    assert publish(paths, line()) == {"restated": 1}
    assert stored(paths)["A"]["outcome"] == "ok"


@pytest.mark.parametrize("outcome", ["unknown_symbol", "null_bar", "not_listed", "live_bar"])
def test_an_answer_without_a_usable_bar_never_replaces_one_that_had_it(paths, outcome):
    publish(paths, line())
    assert publish(paths, line(outcome=outcome)) == {"kept_earlier": 1}
    assert stored(paths)["A"]["outcome"] == "ok"
    assert raw_prices.last_fetch(paths, SESSION)["A"]["outcome"] == outcome


def test_a_symbol_that_left_the_universe_keeps_its_history(paths):
    publish(paths, line("A"), line("B"))
    publish(paths, line("A"))
    assert list(stored(paths)) == ["A", "B"]
    assert list(raw_prices.last_fetch(paths, SESSION)) == ["A"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: gzip.compress(gzip.decompress(whole) + b"not json\n[1]\n{}\n"),
        lambda whole: whole[:-20],
        lambda _: b"no gzip",
        lambda _: b"",
    ],
    ids=["lines that are none", "cut off", "no gzip", "empty"],
)
def test_a_damaged_object_is_healed_by_the_next_fetch(paths, damage):
    publish(paths, line())
    whole = files.read(paths.raw_prices(SESSION))
    files.write(paths.raw_prices(SESSION), damage(whole))
    publish(paths, line())
    assert files.read(paths.raw_prices(SESSION)) == whole


def test_a_spool_turns_symbols_into_sessions(monkeypatch):
    monkeypatch.setattr(raw_prices, "_PENDING_BYTES", 300)
    with RawPriceSpool() as spool:
        for symbol in ("A", "^GSPC", "0700.HK"):
            spool.add([line(symbol, day) for day in ("2012-01-03", "2012-01-04")])
            spool.archive([{"url": symbol, "body": "{}"}])
        for day in ("2012-01-03", "2012-01-04"):
            assert [it["symbol"] for it in spool.lines(day)] == ["A", "^GSPC", "0700.HK"]
        assert spool.lines("2012-01-05") == []
        assert len(gzip.decompress(spool.responses_file.read_bytes()).splitlines()) == 3
        folder = spool.responses_file.parent
    assert not folder.exists()
