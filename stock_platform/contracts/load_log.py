"""Contract of the log of loads: the batches that the facts contain."""

from typing import Final

from stock_platform.contracts.table import Column, Table

LOAD_LOG: Final = Table(
    name="load_log",
    description=(
        "The batches of the lake that were applied to the facts. A load writes it in the "
        "transaction that changes them."
    ),
    grain="one applied batch",
    key=("BatchId",),
    columns=(
        Column("Sequence", "INT64", "Place of the batch in the order of the lake's commits."),
        Column("BatchId", "STRING", "The Spark batch."),
        Column("KnownFrom", "TIMESTAMP", "Time from which the values are known, UTC."),
        Column("PriceRows", "INT64", "Versions of prices in the batch, withdrawn ones included."),
        Column("ActionRows", "INT64", "Versions of corporate actions, withdrawn ones included."),
        Column("AppliedAt", "TIMESTAMP", "Time of the load, UTC."),
    ),
)
