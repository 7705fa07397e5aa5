"""Raw runs: names as index, manifests, records, interruptions and damage."""

import base64
import gzip
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from stock_platform.lake import files, raw_attempts, raw_run_writer, raw_runs
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_attempts import interrupted_run, remove_abandoned
from stock_platform.lake.raw_run_writer import RawRunWriter
from stock_platform.lake.raw_runs import RunName
from stock_platform.market_data.models import HttpResponseRecord, PriceRequest
from stock_platform.market_data.price_records import build_symbol_result
from stock_platform_tests.support.local_yahoo import error_body
from stock_platform_tests.support.raw_runs import store_run

DAYS = ("2012-01-03", "2012-01-04", "2012-01-05")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
UNKNOWN = error_body("Not Found", "No data found, symbol may be delisted")
NAME = RunName(NOON, DAYS[0], DAYS[-1], "a-run")


@pytest.fixture(params=["directory", "memory"])
def paths(request, tmp_path):
    root = str(tmp_path) if request.param == "directory" else f"memory://{tmp_path.name}"
    return LakePaths(root)


def request(symbol, *days, security="C-1"):
    sessions = tuple(map(date.fromisoformat, days or DAYS))
    return PriceRequest(symbol, security, "XNYS", sessions, frozenset(sessions))


def fetched(asked, status=404, body=UNKNOWN):
    return build_symbol_result(asked, [HttpResponseRecord("u", status, NOON, body)], "client/1")


def writer_of(paths, name=NAME, begun_at=NOON):
    return RawRunWriter(paths, name, begun_at)


def written(paths, *requests, name=NAME):
    writer = writer_of(paths, name)
    for asked in writer.missing(requests):
        writer.add(fetched(asked))
    run = writer.finish(requests, DAYS, NOON)
    raw_run_writer.commit(paths, run)
    return run


def without_requests(run):
    kept = {key: value for key, value in run.manifest.items() if key not in {"requests", "open"}}
    return replace(run, manifest=kept)


def symbols(paths, *days):
    return [record["symbol"] for record in raw_runs.records(raw_runs.runs_of(paths, days), days)]


def test_records_are_read_by_session(paths):
    written(paths, request("A"), request("B", DAYS[1]))
    assert symbols(paths, *DAYS) == ["A", "A", "A", "B"]
    assert symbols(paths, DAYS[1]) == ["A", "B"]
    assert symbols(paths, "2012-01-06") == []


def test_manifest_lists_what_was_asked(paths):
    gap = request("A", DAYS[0], DAYS[2])
    run = written(paths, gap, request("B", security="C-2"))
    (read,) = raw_runs.runs_of(paths, DAYS)
    assert read == without_requests(run)
    manifest = orjson.loads(files.read(f"{run.uri}/manifest.json"))
    assert manifest["open"] == {"XNYS": list(DAYS)}
    assert [asked["sessions"] for asked in manifest["requests"]] == [
        [[DAYS[0], DAYS[0]], [DAYS[2], DAYS[2]]],
        [[DAYS[0], DAYS[2]]],
    ]
    assert read.outcomes(DAYS[1]) == {"unknown_symbol": 1}
    assert read.manifest["client"] == "client/1"
    for name, details in read.manifest["objects"].items():
        assert len(raw_runs.read_lines(f"{read.uri}/{name}", details["sha256"])) == details["lines"]


def test_responses_keep_every_byte(paths):
    writer = writer_of(paths)
    for symbol, body in (("A", b"\xff\x00"), ("B", "€".encode())):
        writer.add(fetched(request(symbol), body=body))
    writer.flush()
    content = gzip.decompress(files.read(f"{writer.uri}/responses-00000.json.gz"))
    binary, text = map(orjson.loads, content.splitlines())
    assert base64.b64decode(binary["body_base64"]) == b"\xff\x00"
    assert (text["symbol"], text["body"]) == ("B", "€")


@pytest.mark.parametrize("limit", [{"_MAX_SYMBOLS": 2}, {"_MAX_BYTES": 1_000}])
def test_long_fetch_is_written_in_pieces(paths, monkeypatch, limit):
    for name, value in limit.items():
        monkeypatch.setattr(raw_run_writer, name, value)
    run = written(paths, *map(request, "ABCDE"))
    assert len(run.record_files) > 1
    assert symbols(paths, DAYS[0]) == list("ABCDE")


def test_run_without_requests_has_a_record_file(paths):
    run = written(paths)
    assert [details["lines"] for details in run.record_files.values()] == [0]


def test_run_without_manifest_does_not_exist(paths):
    writer_of(paths).flush()
    assert raw_runs.run_names(paths) == [NAME]
    assert raw_runs.runs_of(paths, DAYS) == []


def test_interrupted_run_is_resumed(paths):
    writer = writer_of(paths)
    writer.add(fetched(request("A")))
    writer.flush()
    assert interrupted_run(paths, ["another"], DAYS) is None
    assert interrupted_run(paths, ["a-run"], DAYS[:2]) is None
    assert interrupted_run(paths, ["retry", "a-run"], DAYS) == NAME
    requests = [request("A"), request("B")]
    assert writer_of(paths).missing(requests) == requests[1:]
    written(paths, *requests)
    assert symbols(paths, DAYS[0]) == ["A", "B"]
    assert interrupted_run(paths, ["a-run"], DAYS) is None


@pytest.mark.parametrize("writes", range(8))  # a marker, three pairs and the manifest
def test_retry_completes_a_killed_fetch(paths, monkeypatch, writes):
    monkeypatch.setattr(raw_run_writer, "_MAX_SYMBOLS", 2)
    write, left = files.write, iter([None] * writes)

    def write_or_die(uri, content):
        next(left)
        write(uri, content)

    requests = [request(symbol) for symbol in "ABCDE"]
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", write_or_die)
        with pytest.raises(StopIteration):
            written(paths, *requests)
    assert raw_runs.runs_of(paths, DAYS) == []
    assert interrupted_run(paths, ["a-run"], DAYS) == (NAME if writes else None)
    written(paths, *requests)
    assert symbols(paths, DAYS[0]) == list("ABCDE")
    (run,) = raw_runs.runs_of(paths, DAYS)
    assert raw_attempts.interrupted_run(paths, ["a-run"], DAYS) is None
    stored = {entry["name"].rsplit("/", 1)[-1] for entry in files.list_folder(run.uri)}
    assert stored == {*run.manifest["objects"], "manifest.json"}


@pytest.mark.parametrize("damage", [None, b"", b"no gzip"])
def test_damaged_records_of_an_attempt_are_fetched_again(paths, damage):
    writer = writer_of(paths)
    writer.add(fetched(request("A")))
    writer.flush()
    uri = f"{writer.uri}/records-00000.json.gz"
    files.delete(uri)
    if damage is not None:
        files.write(uri, damage)
    run = written(paths, request("A"))
    assert symbols(paths, DAYS[0]) == ["A"]
    assert list(run.record_files) == [f"{run.uri}/records-00001.json.gz"]


def test_throttled_symbol_of_an_attempt_is_fetched_again(paths):
    writer = writer_of(paths)
    writer.add(fetched(request("A"), status=429))
    writer.add(fetched(request("B")))
    writer.flush()
    requests = [request("A"), request("B")]
    assert writer_of(paths).missing(requests) == requests[:1]


def test_security_that_moves_is_fetched_at_both_exchanges(paths):
    new = PriceRequest("A", "C-1", "XNAS", (date(2012, 1, 5),), frozenset())
    writer = writer_of(paths)
    writer.add(fetched(request("A", *DAYS[:2])))
    writer.flush()
    assert writer_of(paths).missing([new]) == [new]


def test_ticker_of_two_securities_is_fetched_twice(paths):
    old, new = request("A", DAYS[0]), request("A", *DAYS[1:], security="C-2")
    written(paths, old, new)
    found = raw_runs.records(raw_runs.runs_of(paths, DAYS), DAYS)
    assert [record["security_id"] for record in found] == ["C-1", "C-2", "C-2"]


def test_abandoned_runs_are_removed_after_a_week(paths):
    long_ago = NOON - timedelta(days=100)
    old, resumed, complete = (
        RunName(long_ago, *DAYS[:2], run_id) for run_id in ("old", "resumed", "complete")
    )
    writer_of(paths, old, NOON - timedelta(days=8)).flush()
    writer_of(paths, resumed, NOON - timedelta(days=6)).flush()
    written(paths, request("A"), name=complete)
    assert remove_abandoned(paths, NOON) == [old]
    assert {name.run_id for name in raw_runs.run_names(paths)} == {"complete", "resumed"}


def test_temporary_file_of_a_marker_is_removed(paths):
    name = RunName(NOON - timedelta(days=8), *DAYS[:2], "killed")
    files.write(f"{paths.raw_run(name)}/_unfinished.0123.tmp", b"")
    assert remove_abandoned(paths, NOON) == [name]


def test_run_without_its_manifest_is_named_and_kept(paths):
    run = written(paths, request("A"))
    raw_runs._manifest.cache_clear()  # noqa: SLF001 - of another process
    files.delete(f"{run.uri}/manifest.json")
    with pytest.raises(CorruptObjectError, match=r"manifest\.json is missing"):
        raw_runs.runs_of(paths, DAYS)
    assert remove_abandoned(paths, NOON + timedelta(days=100)) == []


def test_manifest_needs_all_objects(paths):
    writer = writer_of(paths)
    run = writer.finish([], DAYS, NOON)
    files.delete(f"{run.uri}/records-00000.json.gz")
    with pytest.raises(CorruptObjectError, match="was deleted while its run was written"):
        raw_run_writer.commit(paths, run)


@pytest.mark.parametrize(
    "text",
    [
        "date=2012-01-03",
        "20260101T000000Z_2012-01-03_a-run",
        "20260101T000000Z_20120103_2012-01-04_a-run",
        "yesterday_2012-01-03_2012-01-04_a-run",
    ],
)
def test_other_folders_are_not_runs(text):
    assert RunName.parse(text) is None


@pytest.mark.parametrize("run_id", ["../a", "a b", "a%2Fb", "", "x" * 65])
def test_unsafe_run_id_is_rejected(run_id):
    with pytest.raises(ValueError, match="invalid id of a run"):
        RunName(NOON, *DAYS[:2], run_id)


@pytest.mark.parametrize("name", ["records-00000.json.gz", "manifest.json"])
def test_flipped_bit_is_named(tmp_path, name):
    paths = LakePaths(str(tmp_path))
    run = written(paths, request("A"))
    object_ = Path(run.uri, name)
    content = bytearray(object_.read_bytes())
    content[len(content) // 2] ^= 4
    object_.write_bytes(content)
    with pytest.raises(CorruptObjectError, match=name):
        symbols(paths, *DAYS)


def test_refused_run_says_why(paths):
    store_run(paths, sessions=DAYS, refused=["2012-01-03 source_responded: 3 of 4"])
    (run,) = raw_runs.runs_of(paths, DAYS)
    assert run.refused == ["2012-01-03 source_responded: 3 of 4"]
