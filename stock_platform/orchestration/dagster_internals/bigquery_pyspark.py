"""Reading a BigQuery table as a PySpark DataFrame by dagster-gcp-pyspark's type handler."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.db_io_manager import TablePartitionDimension, TableSlice

from stock_platform.contracts import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def read_frame(
    context: dg.InputContext, dataset: str, table: Table, sessions: Sequence[date] | None
) -> "DataFrame":
    """Return rows of a table, of some sessions or all, through Spark's BigQuery connector.

    Args:
        context: of the input.
        dataset: ``project.dataset``.
        table: contract of the table.
        sessions: whose rows to return; None for all.
    """
    from dagster_gcp_pyspark import BigQueryPySparkTypeHandler  # noqa: PLC0415 - heavy import

    project, _, schema = dataset.partition(".")
    partitions = []
    if sessions is not None:
        days = [day.isoformat() for day in sessions]
        partitions = [TablePartitionDimension(str(table.session_column), days)]
    rows = TableSlice(
        table=table.name,
        schema=schema,
        database=project,
        columns=list(table.column_names),
        partition_dimensions=partitions,
    )
    frame = BigQueryPySparkTypeHandler().load_input(context, rows, None)
    # The handler lower-cases column names.
    return frame.toDF(*table.column_names)
