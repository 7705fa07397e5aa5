"""Metadata that Dagster's UI shows.

Belongs here: conversions from the platform's values to Dagster's metadata values.
"""

import dagster as dg

from stock_platform.contracts import Table


def dagster_schema(table: Table) -> dg.TableSchema:
    """Return the column schema of a table for Dagster's asset catalogue."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.documentation,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,)
                ),
                tags={"references": column.references} if column.references else {},
            )
            for column in table.columns
        ]
    )
