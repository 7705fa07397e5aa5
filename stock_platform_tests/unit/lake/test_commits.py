"""The log of the processed layer: one writer wins, and damage is named."""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import pytest

from stock_platform.lake import commits, files
from stock_platform.lake.commits import Commit, ConflictError, read_commits
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform_tests.support.commits import (
    SESSION,
    action,
    add_batch,
    flipped,
    known,
    price,
    quarantined,
    race_to_append,
    some_bits,
)

ROWS = {"stock_prices": [price()], "corporate_actions": [action()], "quarantine": [quarantined()]}
WRITERS = 4


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path))


def test_commits_are_read_as_written(paths):
    written = [
        add_batch(paths, ROWS, day=1, runs=["a", "b"], open_runs=["b"]),
        add_batch(paths, day=2, reasons=["too few prices"]),
        add_batch(paths, day=3, sessions=[SESSION, "2012-01-04"]),
    ]
    assert read_commits(paths) == written
    assert written[0].known_from == known(1)
    assert {table: written[0].rows(table) for table in ROWS} == dict.fromkeys(ROWS, 1)


def test_empty_lake_has_no_commits(paths):
    assert read_commits(paths) == []


def test_leftovers_of_interrupted_writes_are_ignored(paths):
    commit = add_batch(paths, day=1)
    Path(f"{paths.commit(1)}.0123.tmp").write_bytes(b"ha")
    assert read_commits(paths) == [commit]


def test_second_commit_of_a_sequence_conflicts(paths):
    first = add_batch(paths, day=1)
    with pytest.raises(ConflictError, match="another commit has sequence 0"):
        commits.append(paths, replace(first, batch_id="batch-2"))
    assert read_commits(paths) == [first]
    commits.append(paths, first)  # a retried request meets its own success


def test_one_of_many_threads_wins(paths):
    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(race_to_append, *race_of(paths, 50)))
    assert sorted(chain.from_iterable(won)) == list(range(50))
    assert_winners_are_in_the_log(paths, won)


def test_one_of_many_processes_wins(paths):
    with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
        won = list(pool.map(race_to_append, *race_of(paths, 200)))
    assert sorted(chain.from_iterable(won)) == list(range(200))
    assert_winners_are_in_the_log(paths, won)


def race_of(paths, count):
    names = [f"writer-{number}" for number in range(WRITERS)]
    return [paths.root] * WRITERS, names, [count] * WRITERS


def assert_winners_are_in_the_log(paths, won):
    winners = {
        sequence: f"writer-{number}" for number, found in enumerate(won) for sequence in found
    }
    assert {commit.sequence: commit.batch_id for commit in read_commits(paths)} == winners
    names = {file.name for file in Path(paths.commits()).iterdir()}
    assert names == {f"{sequence:08}.json" for sequence in winners}


def test_flipped_bits_of_a_commit_are_named(paths):
    add_batch(paths, ROWS, day=1, runs=["a"])
    add_batch(paths, ROWS, day=2)
    file = Path(paths.commit(0))
    content = file.read_bytes()
    for number, bit in enumerate(some_bits(content)):
        file.write_bytes(flipped(content, bit))
        os.utime(file, (number, number))  # the kernel's clock is too coarse
        with pytest.raises(CorruptObjectError, match=r"00000000\.json is damaged .*restore"):
            read_commits(paths)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'"a"', b"{", b"\xff"])
def test_object_that_is_no_commit_is_named(paths, content):
    add_batch(paths, day=1)
    Path(paths.commit(0)).write_bytes(content)
    with pytest.raises(CorruptObjectError, match=r"00000000\.json is damaged"):
        read_commits(paths)


@pytest.mark.parametrize("lost", [0, 1])
def test_missing_commit_is_named(paths, lost):
    for day in range(3):
        add_batch(paths, day=day)
    files.delete(paths.commit(lost))
    with pytest.raises(CorruptObjectError, match=rf"{lost:08}\.json is damaged \(it is missing"):
        read_commits(paths)


def test_commit_under_another_name_is_named(paths):
    add_batch(paths, day=1)
    add_batch(paths, day=2)
    Path(paths.commit(1)).write_bytes(Path(paths.commit(0)).read_bytes())
    with pytest.raises(CorruptObjectError, match=r"00000001\.json is damaged \(it is commit 0"):
        read_commits(paths)


def test_commit_of_a_part_keeps_bounds(paths):
    rows = [price("C-2", "2012-01-05"), price("C-1", "2012-01-04"), price("C-3", "2012-01-03")]
    (part,) = add_batch(paths, {"stock_prices": rows}, day=1).parts
    assert (part.year, part.first_date, part.last_date) == (2012, "2012-01-03", "2012-01-05")
    assert part.meets("2012-01-05", "2012-12-31")
    assert not part.meets("2012-01-06", "2012-12-31")


def test_time_has_microseconds_and_utc(paths):
    moment = datetime(2026, 11, 27, 13, 34, 39, 27141, tzinfo=UTC)
    commits.append(paths, Commit("batch", 0, "b", moment, (), ()))
    assert read_commits(paths)[0].known_from == moment


def test_lost_newest_commit_is_named_and_restored(paths):
    written = [add_batch(paths, day=1), add_batch(paths, day=2)]
    files.delete(paths.commit(1))
    with pytest.raises(CorruptObjectError, match=r"00000001\.json is damaged"):
        read_commits(paths)
    assert commits.restore(paths) == [paths.commit(1)]
    assert read_commits(paths) == written


def test_swapped_commits_are_restored(paths):
    written = [add_batch(paths, day=day) for day in range(3)]
    files.write(paths.commit(1), files.read(paths.commit(2)))
    files.write(paths.journal_copy(2), files.read(paths.journal_copy(0)))
    assert commits.restore(paths) == [paths.commit(1), paths.journal_copy(2)]
    assert read_commits(paths) == written
    assert commits.restore(paths) == []


@pytest.mark.parametrize("content", [None, b"", b"ha"])
def test_damaged_copy_is_restored(paths, content):
    add_batch(paths, day=1)
    copy = paths.journal_copy(0)
    files.delete(copy)
    if content is not None:
        files.write(copy, content)
    assert commits.restore(paths) == [copy]
    assert files.read(copy) == files.read(paths.commit(0))


def test_stray_commit_is_named(paths):
    add_batch(paths, day=0)
    files.write(paths.journal_copy(9), files.read(paths.commit(0)))
    with pytest.raises(CorruptObjectError, match="there is a commit 9"):
        read_commits(paths)


def test_next_commit_writes_the_missing_copy(paths):
    add_batch(paths, day=1)
    files.delete(f"{paths.journal()}/00000000.json")
    add_batch(paths, day=2)
    assert len(files.list_folder(paths.journal())) == 2
