"""The processed layer of version 0.1.0 is committed as versions: what was loaded, by year."""

import hashlib
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.lake import raw_runs
from stock_platform.lake.migrate_processed import migrate_processed, require_migrated_lake
from stock_platform.lake.migrate_raw import UnmigratedError, migrate_raw_prices
from stock_platform.lake.processed import part_uri, read_state, verify
from stock_platform.lake.staging import written_rows
from stock_platform.lake.versions import current_rows
from stock_platform.warehouse.migrate import migrate_lake
from stock_platform_tests.support.commits import add_batch
from stock_platform_tests.support.fixtures.deployment import V0_1_0, unpack
from stock_platform_tests.support.raw_runs import store_run

PRICES, ACTIONS = "fact_stock_price", "fact_corporate_action"
SESSION, ACTION_DAY, NEVER_LOADED, LAST = "2024-06-12", "2024-06-13", "2024-06-18", "2024-06-24"
LOADED = ["2024-06-10", "2024-06-11", SESSION, ACTION_DAY, "2024-06-14", "2024-06-17", LAST]


@pytest.fixture
def old(tmp_path):
    return unpack(V0_1_0, tmp_path / "old")


@pytest.fixture
def paths(old):
    return old.paths


def known_to_nobody(_sessions):
    return {}


def migrated(paths):
    result = migrate_lake(paths, dry_run=False)
    return read_state(paths), result


def batches(state):
    return [(commit.kind, commit.batch_id, list(commit.sessions)) for commit in state.commits]


def table_of(paths, name, session):
    return pq.ParquetFile(paths.loaded_0_1_0(name, session)).read()


def rewrite(paths, name, session, rows):
    """Replace a copy of version 0.1.0, with its manifest."""
    file = Path(paths.loaded_0_1_0(name, session))
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, file)
    manifest = {"rows": rows.num_rows, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    Path(paths.loaded_manifest_0_1_0(name, session)).write_bytes(orjson.dumps(manifest))


def with_ticker(rows, **columns):
    """One row, with other values."""
    (row,) = rows.slice(0, 1).to_pylist()
    return pa.Table.from_pylist([row | columns], schema=rows.schema)


def copy_session(paths, source, target, *tables):
    """Make a processed session of another day, with these copies of what was loaded."""
    folder = Path(paths.manifest_0_1_0(source)).parent
    shutil.copytree(folder, folder.with_name(f"date={target}"))
    day = date.fromisoformat(target)
    for name in tables:
        rows = table_of(paths, name, source)
        for column, value in (("TradeDate", day), ("DateKey", int(f"{day:%Y%m%d}"))):
            position = rows.schema.get_field_index(column)
            field = rows.schema.field(position)
            values = pa.array([value] * rows.num_rows, field.type)
            rows = rows.set_column(position, field, values)
        rewrite(paths, name, target, rows)


def security_ids(paths, table, session):
    state = read_state(paths)
    rows = current_rows(paths, state, table, [session], ["Ticker", "SecurityId"])
    return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def test_year_is_one_batch_of_the_loaded_sessions(paths):
    state, result = migrated(paths)
    assert result.problems == []
    assert batches(state) == [
        ("refused", "migrated-2024", [NEVER_LOADED]),
        ("batch", "migrated-2024", LOADED),
    ]
    (batch,) = state.batches
    verify(paths, batch.parts)
    newest = max(
        row["KnownFrom"] for row in current_rows(paths, state, "stock_prices", LOADED).to_pylist()
    )
    assert batch.known_from == newest
    assert batch.engine == "sail 0.7.2"


def test_metrics_have_todays_form(paths):
    state, _ = migrated(paths)
    (batch,) = state.batches
    for table in ("stock_prices", "corporate_actions", "quarantine"):
        measured = sum(written_rows(metrics, table) for metrics in batch.metrics.values())
        assert measured == batch.rows(table)
    assert batch.metrics[SESSION] == {
        "lines_read": 10,
        "valid": 8,
        "corporate_actions": 0,
        "adj_close_unusable": 0,
        "quarantined": {"ohlc_inconsistent": 1},
        "bad_corporate_actions": 0,
        "without_bar": {"unknown_symbol": 1},
        "superseded": {},
        "changes": {
            table: {"new": new, "restated": 0, "withdrawn": 0, "unchanged": 0, "kept_earlier": 0}
            for table, new in (("stock_prices", 8), ("corporate_actions", 0), ("quarantine", 1))
        },
    }


def test_versions_are_sorted_in_compressed_row_groups(paths):
    state, _ = migrated(paths)
    (part,) = state.parts("stock_prices")
    file = pq.ParquetFile(part_uri(paths, part))
    rows = file.read()
    assert rows.equals(rows.sort_by([("SecurityId", "ascending"), ("TradeDate", "ascending")]))
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert set(rows["Change"].to_pylist()) == {"new"}
    assert set(rows["BatchId"].to_pylist()) == {"migrated-2024"}
    assert rows["KnownFrom"].equals(rows["FetchedAt"])


def test_quarantined_record_is_that_of_its_raw_run(paths):
    state, _ = migrated(paths)
    rows = current_rows(paths, state, "quarantine", LOADED)
    runs = raw_runs.runs_of(paths, LOADED)
    records = [dict(record) for record in raw_runs.records(runs, LOADED)]
    quarantined = [orjson.loads(text) for text in rows["Record"].to_pylist()]
    assert [record for record in quarantined if record not in records] == []
    ids = [record["security_id"] for record in quarantined]
    assert sorted(rows["SecurityId"].to_pylist()) == sorted(ids)


def test_never_loaded_sessions_are_refused_with_reason(paths):
    state, _ = migrated(paths)
    (refused, _) = state.commits
    assert "processed these sessions and did not load them" in refused.reasons[0]
    assert refused.metrics[NEVER_LOADED]["changes"]["stock_prices"]["new"] == 7
    assert refused.parts == ()


def test_years_are_batches_in_order(paths):
    copy_session(paths, LAST, "2023-06-12", PRICES)
    copy_session(paths, LAST, "2025-06-12", PRICES)
    state, result = migrated(paths)
    assert result.problems == []
    assert [commit.batch_id for commit in state.batches] == [
        "migrated-2023",
        "migrated-2024",
        "migrated-2025",
    ]
    moments = [commit.known_from for commit in state.commits]
    assert moments == sorted(set(moments))
    assert {part.year for part in state.parts("stock_prices")} == {2023, 2024, 2025}
    tick = timedelta(microseconds=1)
    assert state.batches[2].known_from == state.batches[1].known_from + tick


def test_session_without_rows_is_committed(paths):
    metrics = dict.fromkeys(("lines_read", "valid", "corporate_actions"), 0)
    metrics |= {"bad_corporate_actions": 0, "quarantined": {}, "without_bar": {}}
    manifest = {"batch_id": "b", "engine": "sail", "tables": [], "metrics": metrics}
    file = Path(paths.manifest_0_1_0("2024-06-19"))
    file.parent.mkdir()
    file.write_bytes(orjson.dumps(manifest))
    state, result = migrated(paths)
    assert result.problems == []
    assert "2024-06-19" in state.batches[0].sessions


def test_facts_of_a_session_are_loaded_apart(paths):
    """The prices were blocked, the actions were not."""
    shutil.rmtree(Path(paths.loaded_0_1_0(PRICES, ACTION_DAY)).parent)
    state, result = migrated(paths)
    assert result.problems == []
    assert [commit.sessions for commit in state.commits] == [
        (ACTION_DAY, NEVER_LOADED),
        tuple(LOADED),
    ]
    assert current_rows(paths, state, "stock_prices", [ACTION_DAY]).num_rows == 0
    assert current_rows(paths, state, "corporate_actions", [ACTION_DAY]).num_rows == 2
    # An action has no exchange of its own.
    assert security_ids(paths, "corporate_actions", ACTION_DAY) == {
        "ACME": "C-101",
        "TWIN": "C-102",
    }


def test_lost_manifest_of_a_loaded_session_is_made_up_from_its_rows(paths):
    Path(paths.manifest_0_1_0(LAST)).unlink()
    state, result = migrated(paths)
    assert result.problems == []
    metrics = state.batches[0].metrics[LAST]
    assert (metrics["valid"], metrics["lines_read"], metrics["without_bar"]) == (9, 9, {})


def test_unknown_securities_are_counted(paths):
    result = migrate_processed(paths, known_to_nobody, dry_run=True)
    assert result.unknown == 62 + 3 + 3
    ticker = with_ticker(table_of(paths, PRICES, SESSION), Ticker="ZZZ")
    rewrite(paths, PRICES, SESSION, ticker)
    action = with_ticker(table_of(paths, ACTIONS, ACTION_DAY), Ticker="YYY")
    rewrite(paths, ACTIONS, ACTION_DAY, action)
    _, migration = migrated(paths)
    assert "with 2 rows of a security that the ERP does not know" in migration.changes[1]
    assert security_ids(paths, "stock_prices", SESSION) == {"ZZZ": "legacy:XNYS:ZZZ"}
    assert security_ids(paths, "corporate_actions", ACTION_DAY) == {"YYY": "legacy::YYY"}


def damage_copy(paths):
    file = Path(paths.loaded_0_1_0(PRICES, SESSION))
    file.write_bytes(Path(paths.loaded_0_1_0(PRICES, LAST)).read_bytes())
    return file


def delete_copy(paths):
    file = Path(paths.loaded_0_1_0(PRICES, SESSION))
    file.unlink()
    return file


def damage_copy_manifest(paths):
    file = Path(paths.loaded_manifest_0_1_0(PRICES, SESSION))
    file.write_bytes(b"{")
    return file


def damage_quarantine(paths):
    file = Path(paths.processed_0_1_0("quarantine", SESSION))
    file.write_bytes(b"PAR1")
    return file


def delete_quarantine(paths):
    file = Path(paths.processed_0_1_0("quarantine", SESSION))
    file.unlink()
    return file


DAMAGES = [damage_copy, delete_copy, damage_copy_manifest, damage_quarantine, delete_quarantine]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_session_is_named_and_stays_pending(paths, damage, tmp_path):
    intact = shutil.copytree(paths.root, tmp_path / "intact")
    file = damage(paths)
    state, result = migrated(paths)
    (problem,) = result.problems
    assert str(file) in problem
    assert "process the session again" in problem
    others = [session for session in LOADED if session != SESSION]
    assert batches(state)[-1] == ("batch", "migrated-2024", others)
    runs = raw_runs.runs_of(paths, [SESSION])
    assert runs
    assert all(SESSION in state.pending(run) for run in runs)
    assert state.closed_runs.isdisjoint(str(run.name) for run in runs)
    require_migrated_lake(paths, state)
    assert migrated(paths)[1].problems == [problem]
    # It is migrated once it is restored.
    name = file.relative_to(paths.root)
    shutil.copy(intact / name, file)
    state, result = migrated(paths)
    assert result.problems == []
    assert batches(state)[2:] == [("batch", "migrated-2024-1", [SESSION])]
    assert current_rows(paths, state, "stock_prices", [SESSION]).num_rows == 8
    assert all(SESSION not in state.pending(run) for run in runs)


def test_damaged_session_that_was_processed_again_is_done(paths):
    damage_copy(paths)
    migrated(paths)
    add_batch(paths, day=1000, sessions=[SESSION])
    assert migrated(paths)[1].problems == []


def test_lost_manifest_of_a_session_that_was_never_loaded_is_named(paths):
    Path(paths.manifest_0_1_0(NEVER_LOADED)).write_bytes(b"{")
    state, result = migrated(paths)
    (problem,) = result.problems
    assert f"date={NEVER_LOADED}/_manifest.json is missing or cannot be read" in problem
    assert [kind for kind, *_ in batches(state)] == ["batch"]


def test_first_load_that_did_not_finish_is_named(paths):
    shutil.rmtree(Path(paths.loaded_0_1_0(PRICES, "2024-06-17")).parent)
    state, result = migrated(paths)
    (problem,) = result.problems
    assert problem.startswith(f"2024-06-17: the load of {PRICES} did not finish, and no copy")
    assert "2024-06-17" not in state.sessions


def test_unrecognised_folder_is_named(paths):
    folder = Path(paths.loaded_0_1_0(PRICES, SESSION)).parent
    shutil.copytree(folder, folder.with_name(f"{folder.name}.bak"))
    _, result = migrated(paths)
    assert f"{folder}.bak is not named after a session" in result.problems[0]


def test_leftover_of_an_interrupted_write_is_no_session(paths):
    folder = Path(paths.manifest_0_1_0("2023-01-03")).parent
    folder.mkdir()
    (folder / "part-00000.parquet.0123.tmp").touch()
    state, result = migrated(paths)
    assert result.problems == []
    assert batches(state)[0] == ("batch", "migrated-2023", [])
    require_migrated_lake(paths, state)


def test_unmigrated_lake_is_rejected_with_remedy(paths):
    with pytest.raises(UnmigratedError, match=r"0\.1\.0 \(2024-06-10\): run `stock-platform migr"):
        require_migrated_lake(paths, read_state(paths))
    state, _ = migrated(paths)
    require_migrated_lake(paths, state)
    copy_session(paths, SESSION, "2025-06-12", PRICES)
    with pytest.raises(UnmigratedError, match=r"\(2025-06-12\)"):
        require_migrated_lake(paths, state)


def test_lake_without_old_objects_needs_no_migration(paths):
    for name in ("stock_prices", "corporate_actions", "quarantine", "loaded"):
        shutil.rmtree(Path(paths.commits()).with_name(name))
    require_migrated_lake(paths, read_state(paths))
    assert migrate_processed(paths, known_to_nobody, dry_run=False).sessions == 0
    assert read_state(paths).commits == []


def test_batch_follows_newer_commits(paths):
    add_batch(paths, day=1000, sessions=["2024-06-21"])
    state, _ = migrated(paths)
    moments = [commit.known_from for commit in state.commits]
    assert moments == sorted(set(moments))
    assert moments[0] > datetime(2027, 1, 1, tzinfo=UTC)


def test_later_raw_runs_stay_pending(paths):
    migrate_raw(paths)
    later = store_run(paths, sessions=LOADED)
    state, _ = migrated(paths)
    assert state.pending(later) == LOADED
    assert str(later.name) not in state.closed_runs


def migrate_raw(paths):
    assert migrate_raw_prices(paths, known_to_nobody, dry_run=False).problems == []
