"""A staged batch is audited, and committed as a whole or not at all."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import orjson
import pytest

from stock_platform.lake import commits, files, staging
from stock_platform.lake.commits import ConflictError
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import part_uri, read_state, verify
from stock_platform.lake.staging import BatchInputs, StagingError, is_staged, read_staged
from stock_platform.lake.versions import current_rows
from stock_platform_tests.support.commits import (
    SESSION,
    action,
    add_batch,
    known,
    parquet,
    price,
    quarantined,
    stage,
)
from stock_platform_tests.support.failing_disk import FailingDisk, Killed, full_disk
from stock_platform_tests.support.raw_runs import store_run

NEXT, NEXT_YEAR = "2012-01-04", "2013-01-02"
SESSIONS = (SESSION, NEXT, NEXT_YEAR)
ROWS = {
    "stock_prices": [price("C-2"), price("C-1", NEXT), price("C-1", NEXT_YEAR)],
    "corporate_actions": [action("C-1", NEXT)],
    "quarantine": [quarantined(None), quarantined("C-3")],
}


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


def committed(paths, batch, runs=(), base=-1):
    return staging.commit(paths, batch, BatchInputs(SESSIONS, runs), base)


def tickers(paths, table="stock_prices"):
    return current_rows(paths, read_state(paths), table, SESSIONS)["Ticker"].to_pylist()


def test_commit_lists_parts_sessions_and_metrics(paths):
    run = store_run(paths, sessions=SESSIONS)
    batch = stage(paths, ROWS, day=1, sessions=SESSIONS)
    commit = committed(paths, batch, [run])
    assert read_state(paths).commits == [commit]
    assert (commit.kind, commit.sequence, commit.batch_id) == ("batch", 0, "batch-1")
    assert (commit.known_from, commit.engine) == (known(1), "by hand")
    assert (commit.sessions, commit.metrics) == (SESSIONS, batch.sessions)
    assert (commit.runs, commit.open_runs) == ((str(run.name),), ())
    assert {table: commit.rows(table) for table in ROWS} == {
        "stock_prices": 3,
        "corporate_actions": 1,
        "quarantine": 2,
    }
    years = [(part.table, part.year, part.rows) for part in commit.parts]
    assert years == [
        ("stock_prices", 2012, 2),
        ("stock_prices", 2013, 1),
        ("corporate_actions", 2012, 1),
        ("quarantine", 2012, 2),
    ]
    first = commit.parts[0]
    assert (first.first_date, first.last_date) == (SESSION, NEXT)
    verify(paths, commit.parts)
    assert not files.exists(batch.uri)


def test_batch_without_changes_has_no_parts(paths):
    commit = committed(paths, stage(paths, {}, day=1))
    assert (commit.parts, commit.sessions) == ((), (SESSION,))
    assert read_state(paths).newest(SESSION) == commit


def test_empty_files_become_no_parts(paths):
    batch = stage(paths, {"stock_prices": [price()]}, day=1)
    files.write(f"{batch.uri}/quarantine/year=2012/part-1.parquet", parquet("quarantine", [], 1))
    assert len(committed(paths, batch).parts) == 1


@pytest.mark.parametrize("rows", [[], [price(), price("C-2")], [price("C-1", NEXT)]])
def test_other_rows_than_measured_are_not_committed(paths, rows):
    batch = stage(paths, {"stock_prices": [price()]}, day=1)
    uri = f"{batch.uri}/stock_prices/year=2012/part-0.parquet"
    files.write(uri, parquet("stock_prices", rows, 1))
    with pytest.raises(StagingError, match=rf"{SESSION}: \d rows? staged, 1 measured"):
        committed(paths, batch)
    assert read_state(paths).commits == []
    assert is_staged(batch.uri)


def test_row_of_another_session_is_not_committed(paths):
    batch = stage(paths, {"stock_prices": [price()]}, day=1)
    uri = f"{batch.uri}/stock_prices/year=2012/part-1.parquet"
    files.write(uri, parquet("stock_prices", [price("C-1", NEXT)], 1))
    with pytest.raises(StagingError, match=rf"{NEXT}: 1 row staged, 0 measured"):
        committed(paths, batch)


def test_file_of_two_years_is_not_committed(paths):
    batch = stage(paths, {}, day=1, sessions=SESSIONS)
    rows = [price("C-1", NEXT), price("C-1", NEXT_YEAR)]
    files.write(f"{batch.uri}/stock_prices/year=2012/a.parquet", parquet("stock_prices", rows, 1))
    with pytest.raises(StagingError, match="rows of more than one year"):
        committed(paths, batch)


def test_files_of_other_columns_are_not_committed(paths):
    batch = stage(paths, {}, day=1)
    content = parquet("quarantine", [quarantined()], 1)
    files.write(f"{batch.uri}/stock_prices/year=2012/a.parquet", content)
    with pytest.raises(StagingError, match="does not have the columns of stock_prices"):
        committed(paths, batch)


def test_batch_without_metrics_is_unfinished(paths):
    uri = paths.staging("batch-1", "attempt")
    assert not is_staged(uri)
    with pytest.raises(StagingError, match=r"no metrics\.json: batch batch-1 did not finish"):
        read_staged("batch-1", uri)


def test_metrics_of_several_files_are_joined(paths):
    batch = stage(paths, ROWS, day=1, sessions=SESSIONS)
    uri = f"{batch.uri}/metrics.json"
    content = files.read(f"{uri}/part-0.txt")
    files.write(f"{uri}/part-0.txt", content[:10])
    files.write(f"{uri}/part-1.txt", content[10:])
    files.write(f"{uri}/_SUCCESS", b"")
    assert read_staged("batch-1", batch.uri) == batch


def test_refused_batch_has_reasons_and_no_parts(paths):
    run = store_run(paths, sessions=SESSIONS)
    batch = stage(paths, {"stock_prices": [price()]}, day=1)
    commit = staging.commit(paths, batch, BatchInputs(SESSIONS, [run]), -1, ["too few prices"])
    assert (commit.kind, commit.reasons, commit.parts) == ("refused", ("too few prices",), ())
    assert (commit.sessions, commit.open_runs) == ((SESSION,), (str(run.name),))
    assert not files.exists(batch.uri)
    assert tickers(paths) == []


def test_second_batch_of_one_base_conflicts(paths):
    first, second = (stage(paths, {"stock_prices": [price(f"C-{day}")]}, day=day) for day in (1, 2))
    committed(paths, first)
    with pytest.raises(ConflictError, match="read the rows of commit -1, and 0 is the newest"):
        committed(paths, second)
    assert tickers(paths) == ["T-C-1"]
    # It is run again on the newer rows.
    committed(paths, second, base=0)
    assert tickers(paths) == ["T-C-1", "T-C-2"]


def test_one_of_concurrent_batches_is_committed(paths):
    batches = [stage(paths, {"stock_prices": [price(f"C-{day}")]}, day=day) for day in range(8)]

    def attempt(batch):
        try:
            return committed(paths, batch)
        except ConflictError:
            return None

    with ThreadPoolExecutor(len(batches)) as pool:
        done = [commit for commit in pool.map(attempt, batches) if commit]
    assert len(done) == 1
    assert read_state(paths).commits == done
    assert tickers(paths) == [f"T-C-{done[0].batch_id.removeprefix('batch-')}"]


def test_batch_follows_refused_ones(paths):
    for day in (1, 2):
        add_batch(paths, day=day, reasons=["too few prices"])
    commit = committed(paths, stage(paths, {"stock_prices": [price()]}, day=3))
    assert commit.sequence == 2
    refused = staging.commit(paths, stage(paths, {}, day=4), BatchInputs([], []), 2, ["late"])
    assert refused.sequence == 3
    assert committed(paths, stage(paths, {}, day=5), base=2).sequence == 4


def test_refusal_between_reading_and_appending_is_followed(paths, monkeypatch):
    batch = stage(paths, {"stock_prices": [price()]}, day=2)
    append = commits.append

    def append_late(paths, commit):
        if not read_state(paths).commits:
            add_batch(paths, day=1, reasons=["too few prices"])
        append(paths, commit)

    with monkeypatch.context() as patch:
        # Also add_batch() appends.
        patch.setattr(
            commits,
            "append",
            lambda paths, commit: (append if commit.reasons else append_late)(paths, commit),
        )
        commit = committed(paths, batch)
    assert [found.kind for found in read_state(paths).commits] == ["refused", "batch"]
    assert commit.sequence == 1


def test_run_stays_open_until_its_last_session(paths):
    run = store_run(paths, sessions=SESSIONS)
    opened = []
    for day, session in enumerate(SESSIONS):
        state = read_state(paths)
        batch = stage(paths, {}, day=day, sessions=[session])
        opened.append(committed(paths, batch, [run], state.base).open_runs)
    name = str(run.name)
    assert opened == [(name,), (name,), ()]


def test_changed_leftover_of_a_part_is_named(paths):
    batch = stage(paths, {"stock_prices": [price()]}, day=1)
    kept = {uri: files.read(uri) for uri in staged_files(batch)}
    (part,) = committed(paths, batch).parts
    files.delete(paths.commits())
    files.write(part_uri(paths, part), b"other")
    for uri, content in kept.items():
        files.write(uri, content)
    with pytest.raises(CorruptObjectError, match="delete the object, which no commit lists"):
        committed(paths, batch)


def staged_files(batch):
    fs, path = files.filesystem(batch.uri)
    return [fs.unstrip_protocol(file) for file in fs.find(path)]


@pytest.mark.parametrize(
    ("error", "every"), [(None, 1), (full_disk(), 4)], ids=["killed", "full disk"]
)
def test_interrupted_commit_is_completed_by_next(paths, tmp_path, error, every):
    """Retried as the step does: with the staged batch, or not at all if it was committed."""
    first = add_batch(paths, {"stock_prices": [price("C-1", Close=1.0)]}, day=0)
    batch = stage(paths, ROWS, day=1, sessions=SESSIONS)
    before = shutil.copytree(paths.root, tmp_path / "before")
    with FailingDisk().installed() as disk:
        expected = committed(paths, batch, base=0)
    outcomes = set()
    for fail_at in range(1, disk.count + 1, every):
        shutil.rmtree(paths.root)
        shutil.copytree(before, paths.root)
        with FailingDisk(fail_at, error).installed(), suppress(Killed, OSError):
            committed(paths, batch, base=0)
        found = read_state(paths).commits
        assert found in ([first], [first, expected]), f"failed at {fail_at} of {disk.count}"
        outcomes.add(len(found))
        if len(found) == 1:
            assert is_staged(batch.uri)
            assert committed(paths, read_staged("batch-1", batch.uri), base=0) == expected
        assert read_state(paths).current("batch-1", SESSIONS) == expected
        verify(paths, expected.parts)
    assert outcomes == {1, 2}


def test_metrics_of_changes_count_written_rows():
    metrics = {"changes": {"stock_prices": {"new": 1, "restated": 2, "withdrawn": 3}}}
    metrics["changes"]["stock_prices"] |= {"unchanged": 50, "kept_earlier": 60}
    assert staging.written_rows(orjson.loads(orjson.dumps(metrics)), "stock_prices") == 6
