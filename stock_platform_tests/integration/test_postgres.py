"""Verdicts on PostgreSQL, Dagster's storage in production, are stored as on SQLite."""

import dagster as dg
import pytest

from stock_platform_tests.support import postgres
from stock_platform_tests.unit.orchestration.dagster_internals.test_event_transaction import (
    evaluate,
    test_an_error_leaves_nothing_half_stored_and_the_storage_usable,
    test_each_evaluation_is_stored_by_its_partition_and_in_the_runs_log,
)

pytestmark = pytest.mark.integration
__all__ = [
    "test_an_error_leaves_nothing_half_stored_and_the_storage_usable",
    "test_each_evaluation_is_stored_by_its_partition_and_in_the_runs_log",
]


@pytest.fixture
def instance(tmp_path):
    with (
        postgres.postgres() as url,
        dg.instance_for_test(postgres.storage(url), temp_dir=str(tmp_path)) as it,
    ):
        yield it


def test_evaluations_of_a_check_are_one_transaction(instance):
    storage = instance.event_log_storage
    commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'"

    def committed():
        with storage._connect() as connection:  # noqa: SLF001 - what is counted is Dagster's
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        with storage._connect() as connection:  # noqa: SLF001
            return connection.exec_driver_sql(commits).scalar()

    before = committed()
    assert evaluate(instance).success
    few = committed() - before
    assert evaluate(instance, sessions=[f"s{n}" for n in range(50)]).success
    many = committed() - before - few
    assert many - few < 47 * 2  # one by one, each of the 47 more takes four
