"""Runs give the same current versions in any order and in any number of batches."""

import itertools
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from stock_platform_tests.support.raw_lake import (
    KEYS,
    SESSION,
    RawLake,
    current_of,
    raw_line,
    rows_of,
)
from stock_platform_tests.unit.spark_jobs.test_runs import random_fields

SECURITIES = [f"ID-{number:02}" for number in range(60)]
OF_BATCH = {"FetchedAt", "BatchId", "KnownFrom", "Change"}


def random_runs(chance, ticker_of):
    """Records by run; some are rejected, and some have actions without a value."""
    runs = {run: ["junk"] for run in "abcdef"}
    for security, run in itertools.product(SECURITIES, runs):
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            fields = random_fields(chance)
            if chance.random() < 0.25:
                fields |= chance.choice([{"exchange": ""}, {"outcome": "delisted"}, {"split": {}}])
            at = datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=chance.randrange(8))
            line = raw_line(
                ticker_of(security), security_id=security, fetched_at=at.isoformat(), **fields
            )
            runs[run].append(line)
    return runs


def state_of(batches):
    """The current values, without those that name the batch or fetch that brought them."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in OF_BATCH}
            for row in current_of(batches, table)
        ]
        for table in KEYS
    }


@pytest.mark.parametrize("is_limited", [False, True])
def test_split_into_batches_makes_no_difference(tmp_path, run_job, is_limited):
    chance = random.Random(20261127)  # noqa: S311 - test data
    # Limited batches do not read the records of other securities with the same ticker.
    tickers = 60 if is_limited else 40
    runs = random_runs(chance, lambda security: f"S{int(security[3:]) % tickers}")
    symbols = [f"S{number}" for number in range(tickers)]

    def process(name, groups):
        lake = RawLake(tmp_path / name, symbols)
        batches = []
        for group in groups:
            for run in group:
                lake.add(SESSION, *runs[run], run=run)
            lines = [json.loads(line) for run in group for line in runs[run][1:]]
            named = sorted({line["security_id"] for line in lines}) if is_limited else None
            batch = lake.batch(base=batches, securities=named)
            run_job(batch)
            batches.append(batch)
        return batches

    whole = process("whole", [list(runs)])
    expected = state_of(whole)
    assert len(expected["stock_prices"]) > 30
    for number in range(3):
        order = chance.sample(list(runs), len(runs))
        ends = [0, *sorted(chance.sample(range(1, len(runs)), 2 + number)), len(runs)]
        groups = [order[start:end] for start, end in itertools.pairwise(ends)]
        batches = process(f"split-{number}", groups)
        assert state_of(batches) == expected, groups
        changes = {row["Change"] for batch in batches for row in rows_of(batch, "stock_prices")}
        assert changes == {"new", "restated", "withdrawn"}
