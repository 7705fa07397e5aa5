"""Contract of the table of check results."""

from typing import Final

from stock_platform.contracts.table import Column, Table

ASSET_CHECK_RESULT: Final = Table(
    name="asset_check_result",
    description="Every result of every asset check.",
    grain="one run, check and partition",
    key=("RunId", "Asset", "CheckName", "PartitionKey"),
    partition_by_month="EvaluatedAt",
    cluster_by=("Asset", "CheckName"),
    columns=(
        Column("RunId", "STRING", "The run that evaluated the check."),
        Column("Asset", "STRING", "Key of the checked asset."),
        Column("CheckName", "STRING", "Name of the check."),
        Column(
            "PartitionKey",
            "STRING",
            "The session, as yyyy-mm-dd; empty if the asset was checked as a whole.",
        ),
        Column("EvaluatedAt", "TIMESTAMP", "Time of the evaluation, UTC."),
        Column("Passed", "BOOL", "True if no row failed the check."),
        Column("Severity", "STRING", "Severity of a failure: WARN or ERROR."),
        Column("Blocking", "BOOL", "True if an ERROR stops the downstream assets."),
        Column("OffendingRows", "INT64", "Number of rows, records, bars or symbols that failed."),
        Column("Description", "STRING", "The result in one sentence."),
        Column("Sample", "STRING", "Examples of failures: a JSON list of texts."),
    ),
)
