"""BigQuery tables of the contracts: their definitions, and differences from them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from google.cloud import bigquery
from google.cloud.bigquery.table import (
    ColumnReference,
    ForeignKey,
    PrimaryKey,
    TableConstraints,
)

from stock_platform.contracts import Table
from stock_platform.contracts.render import bigquery_schema
from stock_platform.warehouse.sql_dialect import qualified_view_sql

# Removes the staging tables of processes that died.
_STAGING_LIFETIME: Final = timedelta(days=1)
# The API's legacy names of GoogleSQL's types.
_LEGACY: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def contract_table(
    dataset: bigquery.DatasetReference, table: Table, labels: Mapping[str, str]
) -> bigquery.Table:
    """Return the definition of a contract's table or view."""
    made = bigquery.Table(dataset.table(table.name))
    made.description = table.description
    made.labels = dict(labels)
    if table.view:
        made.view_query = qualified_view_sql(table, dataset.project, dataset.dataset_id)
        made.view_use_legacy_sql = False
        return made
    made.schema = _fields(table)
    if table.partition_by_month:
        made.time_partitioning = bigquery.TimePartitioning("MONTH", table.partition_by_month)
    made.clustering_fields = list(table.cluster_by) or None
    made.require_partition_filter = table.session_column is not None
    made.table_constraints = TableConstraints(
        primary_key=PrimaryKey(columns=list(table.key)), foreign_keys=list(_keys(dataset, table))
    )
    return made


def staging_table(dataset: bigquery.DatasetReference, table: Table, name: str) -> bigquery.Table:
    """Return a table of the contract's columns, all nullable, that expires after a day."""
    fields = [
        bigquery.SchemaField(column.name, column.type, mode="NULLABLE") for column in table.columns
    ]
    made = bigquery.Table(dataset.table(name), schema=fields)
    made.expires = datetime.now(UTC) + _STAGING_LIFETIME
    return made


def rename_script(renames: Mapping[Table, Mapping[str, str]]) -> str:
    """Return an idempotent script that renames columns.

    BigQuery renames no column of a primary key, so such a key is dropped and added again. It is
    not enforced, and describes the table only.
    """
    statements = []
    for table, names in renames.items():
        columns = ", ".join(f"RENAME COLUMN IF EXISTS {old} TO {new}" for old, new in names.items())
        rename = f"ALTER TABLE {table.name} {columns}"
        if set(table.key).isdisjoint(names.values()):
            statements.append(rename)
            continue
        statements += [
            f"ALTER TABLE {table.name} DROP PRIMARY KEY IF EXISTS",
            rename,
            f"ALTER TABLE {table.name} ADD PRIMARY KEY ({', '.join(table.key)}) NOT ENFORCED",
        ]
    return ";\n".join(statements)


def differences(found: bigquery.Table, table: Table) -> list[str]:
    """Return one sentence per difference between a table and its contract."""
    wanted = {field.name: _described(field) for field in _fields(table)}
    given = {field.name: _described(field) for field in found.schema}
    columns = [
        f"{name}: {given.get(name, 'missing')}, by contract {wanted.get(name, 'no column')}"
        for name in dict.fromkeys([*wanted, *given])
        if wanted.get(name) != given.get(name)
    ]
    return columns if table.view else [*columns, *_layout_differences(found, table)]


def _layout_differences(found: bigquery.Table, table: Table) -> Iterator[str]:
    partitioning = found.time_partitioning
    layout = {
        "partitions": (
            (partitioning.type_, partitioning.field) if partitioning else None,
            ("MONTH", table.partition_by_month) if table.partition_by_month else None,
        ),
        "clusters": (tuple(found.clustering_fields or ()), table.cluster_by),
        "partition filter required": (
            bool(found.require_partition_filter),
            table.session_column is not None,
        ),
    }
    for what, (given, wanted) in layout.items():
        if given != wanted:
            yield f"{what}: {given}, by contract {wanted}"


def _fields(table: Table) -> list[bigquery.SchemaField]:
    return [bigquery.SchemaField.from_api_repr(field) for field in bigquery_schema(table)]


def _described(field: bigquery.SchemaField) -> str:
    kind = _LEGACY.get(field.field_type, field.field_type)
    return f"{kind} NOT NULL" if field.mode == "REQUIRED" else kind


def _keys(dataset: bigquery.DatasetReference, table: Table) -> Iterator[ForeignKey]:
    for column in table.columns:
        if column.references:
            target, referenced = column.references.split(".")
            yield ForeignKey(
                name=f"{table.name}_{column.name}",
                referenced_table=dataset.table(target),
                column_references=[
                    ColumnReference(referencing_column=column.name, referenced_column=referenced)
                ],
            )
