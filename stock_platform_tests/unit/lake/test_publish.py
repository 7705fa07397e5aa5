"""Publishing: audited, atomic per session, and repeatable."""

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.lake import files, publish
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.publish import PublishError

DAY, NEXT = "2012-01-03", "2012-01-04"


def metrics(valid=0, actions=0, quarantined=None):
    quarantined = quarantined or {}
    return {
        "lines_read": valid + sum(quarantined.values()),
        "valid": valid,
        "quarantined": quarantined,
        "without_bar": {},
        "corporate_actions": actions,
        "bad_corporate_actions": 0,
        "adj_close_unusable": 0,
    }


@pytest.fixture(params=["directory", "memory"])
def paths(request, tmp_path):
    root = str(tmp_path) if request.param == "directory" else f"memory://{tmp_path.name}"
    return LakePaths(root)


def put(uri, tickers, batch_id="b1"):
    sink = pa.BufferOutputStream()
    columns = {"Ticker": list(tickers), "BatchId": [batch_id] * len(tickers)}
    pq.write_table(pa.table(columns), sink)
    files.write(uri, sink.getvalue().to_pybytes())


def stage(paths, sessions, batch_id="b1"):
    """Stage a batch of {session: {table: tickers}} with the metrics that the job would write."""
    uri = paths.staging(batch_id, "run")
    measured = {}
    for session, tables in sessions.items():
        for table, tickers in tables.items():
            put(f"{uri}/{table}/date={session}/part-0.parquet", tickers, batch_id)
        quarantined = len(tables.get("quarantine", ""))
        measured[session] = metrics(
            len(tables.get("stock_prices", "")),
            len(tables.get("corporate_actions", "")),
            {"null_bar": quarantined} if quarantined else {},
        )
    content = {"batch_id": batch_id, "engine": "test", "sessions": measured}
    files.write(f"{uri}/metrics.json/part-0.txt", orjson.dumps(content))
    return publish.read_staged(batch_id, uri)


def tickers(paths, session, table="stock_prices"):
    uri = publish.read_published(paths, session).objects[table]
    fs, path = files.filesystem(uri)
    with fs.open(path, "rb") as file:
        return pq.read_table(file)["Ticker"].to_pylist()


def test_session_has_one_object_per_table(paths):
    batch = stage(paths, {DAY: {"stock_prices": "AB", "quarantine": "C"}, NEXT: {}})
    published = dict(publish.publish(paths, batch))
    assert set(published[DAY].objects) == {"stock_prices", "quarantine"}
    assert set(published[NEXT].objects) == set()
    assert tickers(paths, DAY) == ["A", "B"]
    assert published[DAY].manifest["metrics"]["quarantined"] == {"null_bar": 1}
    assert not files.exists(batch.uri)


def test_publishing_replaces_and_removes_objects(paths):
    list(publish.publish(paths, stage(paths, {DAY: {"stock_prices": "AB", "quarantine": "C"}})))
    list(publish.publish(paths, stage(paths, {DAY: {"stock_prices": "A"}}, "b2")))
    assert tickers(paths, DAY) == ["A"]
    assert not files.exists(paths.processed("quarantine", DAY))


def test_interrupted_publication_is_repeated(paths):
    batch = stage(paths, {DAY: {"stock_prices": "A"}, NEXT: {"stock_prices": "B"}})
    assert next(publish.publish(paths, batch))[0] == DAY  # then the process dies
    assert dict(publish.publish(paths, batch)).keys() == {DAY, NEXT}
    assert tickers(paths, NEXT) == ["B"]


def test_lost_row_prevents_publication(paths):
    list(publish.publish(paths, stage(paths, {DAY: {"stock_prices": "AB"}})))
    batch = stage(paths, {DAY: {"stock_prices": "AB"}}, "b2")
    put(f"{batch.uri}/stock_prices/date={DAY}/part-0.parquet", "A")
    with pytest.raises(PublishError, match="1 row staged, 2 measured"):
        list(publish.publish(paths, batch))
    assert tickers(paths, DAY) == ["A", "B"]


def test_unchanged_session_keeps_its_batch(paths):
    list(publish.publish(paths, stage(paths, {DAY: {"stock_prices": "AB"}})))
    wider = stage(paths, {DAY: {"stock_prices": "AB"}, NEXT: {"stock_prices": "A"}}, "b2")
    published = dict(publish.publish(paths, wider))
    assert published[DAY].manifest["batch_id"] == "b1"
    assert published[NEXT].manifest["batch_id"] == "b2"


def test_half_published_session_cannot_be_read(paths, monkeypatch):
    list(publish.publish(paths, stage(paths, {DAY: {"stock_prices": "AB"}})))
    batch = stage(paths, {DAY: {"stock_prices": "A", "quarantine": "B"}}, "b2")
    copy = files.copy

    def die_after_first_copy(source, target):
        copy(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "copy", die_after_first_copy)
        with pytest.raises(KeyboardInterrupt):
            list(publish.publish(paths, batch))
    with pytest.raises(FileNotFoundError):
        publish.read_published(paths, DAY)
    list(publish.publish(paths, batch))
    assert tickers(paths, DAY) == ["A"]


def test_partly_deleted_staging_is_not_reused(paths, monkeypatch):
    batch = stage(paths, {DAY: {"stock_prices": "AB"}})
    delete = files.delete

    def die_at_staging(uri):
        if uri == batch.uri:
            delete(f"{uri}/stock_prices")
            raise KeyboardInterrupt
        delete(uri)

    with monkeypatch.context() as patch:
        patch.setattr(files, "delete", die_at_staging)
        with pytest.raises(KeyboardInterrupt):
            list(publish.publish(paths, batch))
    assert tickers(paths, DAY) == ["A", "B"]
    assert not publish.is_staged(batch.uri)


def test_rejected_batch_is_not_reused(paths):
    batch = stage(paths, {DAY: {"stock_prices": "AB"}})
    put(f"{batch.uri}/stock_prices/date={DAY}/part-0.parquet", "A")
    assert publish.is_staged(batch.uri)
    with pytest.raises(PublishError):
        list(publish.publish(paths, batch))
    assert not publish.is_staged(batch.uri)


def test_two_files_per_session_are_rejected(paths):
    batch = stage(paths, {DAY: {"stock_prices": "A"}})
    put(f"{batch.uri}/stock_prices/date={DAY}/part-1.parquet", "B")
    with pytest.raises(PublishError, match="more than one file"):
        list(publish.publish(paths, batch))


def test_batch_without_metrics_is_unfinished(paths):
    with pytest.raises(PublishError, match="did not finish"):
        publish.read_staged("b1", paths.staging("b1", "run"))


def test_writing_leaves_no_temporary_files(tmp_path):
    files.write(f"{tmp_path}/a/b.json", b"1")
    files.copy(f"{tmp_path}/a/b.json", f"{tmp_path}/c/d.json")
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        "b.json",
        "d.json",
    ]
