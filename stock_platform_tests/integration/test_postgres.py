"""Check results are stored on PostgreSQL, the storage in production, as on SQLite."""

import dagster as dg
import pytest

from stock_platform_tests.support import postgres
from stock_platform_tests.unit.orchestration.dagster_internals.test_event_transaction import (
    evaluate,
    test_error_rolls_back_every_evaluation,
    test_evaluations_are_stored_and_logged,
)

pytestmark = pytest.mark.integration
__all__ = ["test_error_rolls_back_every_evaluation", "test_evaluations_are_stored_and_logged"]


@pytest.fixture
def instance(tmp_path):
    with (
        postgres.postgres() as url,
        dg.instance_for_test(postgres.storage(url), temp_dir=str(tmp_path)) as instance,
    ):
        yield instance


def test_check_evaluations_share_one_transaction(instance):
    storage = instance.event_log_storage
    commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'"

    def committed():
        with storage._connect() as connection:  # noqa: SLF001 - Dagster's commits are counted
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        with storage._connect() as connection:  # noqa: SLF001
            return connection.exec_driver_sql(commits).scalar()

    before = committed()
    assert evaluate(instance).success
    few = committed() - before
    assert evaluate(instance, sessions=[f"s{n}" for n in range(50)]).success
    many = committed() - before - few
    assert many - few < 47 * 2  # one by one, each of the 47 more takes four
