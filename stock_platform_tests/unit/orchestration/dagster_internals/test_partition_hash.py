"""The hash of a partitions definition is computed once and stays out of everything else."""

import copy
import os
import pickle
import subprocess
import sys
from datetime import date

import dagster as dg
import pytest
from dagster._serdes import deserialize_value, serialize_value

from stock_platform.orchestration.dagster_internals.partition_hash import cache_partition_hashes
from stock_platform.orchestration.partitions import trading_days
from stock_platform_tests.support import ROOT

DEFINITION = dg.TimeWindowPartitionsDefinition
ORIGINAL_HASH = getattr(DEFINITION.__hash__, "__wrapped__", DEFINITION.__hash__)
PRINT_REPR_CALLS = """
import dagster as dg

calls = []
with dg.DagsterInstance.get():
    days = dg.DailyPartitionsDefinition("2012-01-03")
    dg.TimeWindowPartitionsDefinition.__repr__ = lambda days: calls.append(days) or "days"
    hash(days), hash(days)
print(len(calls))
"""


@pytest.fixture(autouse=True)
def cached(monkeypatch):
    monkeypatch.setattr(DEFINITION, "__hash__", ORIGINAL_HASH)
    cache_partition_hashes()


@pytest.fixture
def repr_calls(monkeypatch):
    calls = []
    original = DEFINITION.__repr__

    def counted(definition):
        calls.append(definition)
        return original(definition)

    monkeypatch.setattr(DEFINITION, "__repr__", counted)
    return calls


def days():
    return trading_days(["XNYS"], date(2012, 1, 3), date(2012, 12, 31))


def test_dagster_still_hashes_repr_every_time(repr_calls):
    definition = days()
    assert ORIGINAL_HASH(definition) == ORIGINAL_HASH(definition)
    assert len(repr_calls) == 2


def test_equal_definitions_have_equal_hashes(repr_calls):
    definitions = [days(), days()]
    hashes = {hash(definition) for definition in definitions for _ in range(3)}
    assert [id(definition) for definition in repr_calls] == [id(item) for item in definitions]
    assert hashes == {ORIGINAL_HASH(definitions[0])}


def test_partition_lookups_share_one_hash(repr_calls):
    definition = days()
    for key in definition.get_partition_keys():
        assert definition.has_partition_key(key)
        assert definition.time_window_for_partition_key(key)
    assert len(repr_calls) == 1


def test_different_holidays_make_definitions_unequal():
    definition = days()
    other = trading_days(["XLON"], date(2012, 1, 3), date(2012, 12, 31))
    assert other != definition
    assert hash(other) != hash(definition)
    assert len({definition, other, days()}) == 2


@pytest.mark.parametrize(
    "make_copy",
    [
        lambda definition: deserialize_value(serialize_value(definition)),
        lambda definition: pickle.loads(pickle.dumps(definition)),  # noqa: S301
        copy.copy,
        copy.deepcopy,
    ],
    ids=["serdes", "pickle", "copy", "deepcopy"],
)
def test_copies_compute_their_own_hash(make_copy, repr_calls):
    definition = days()
    serialised, value = serialize_value(definition), hash(definition)
    assert serialize_value(definition) == serialised
    copied = make_copy(definition)
    assert copied == definition
    assert vars(copied) == {}
    assert hash(copied) == value
    assert len(repr_calls) == 2


def test_dagster_subclasses_are_cached(repr_calls):
    definition = dg.DailyPartitionsDefinition("2012-01-03")
    assert hash(definition) == hash(definition)
    assert len(repr_calls) == 1


def test_dagster_yaml_instance_caches_hashes(tmp_path):
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    printed = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", PRINT_REPR_CALLS],
        env=os.environ | {"DAGSTER_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "1\n"
