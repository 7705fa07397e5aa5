"""What the checks said, kept as data."""

from typing import Final

from stock_platform.contracts.table import Column, Table

ASSET_CHECK_RESULT: Final = Table(
    name="asset_check_result",
    description="Every evaluation of every asset check.",
    grain="one run, check and partition",
    key=("RunId", "Asset", "CheckName", "PartitionKey"),
    partition_by_month="EvaluatedAt",
    cluster_by=("Asset", "CheckName"),
    columns=(
        Column("RunId", "STRING", "The run that evaluated the check."),
        Column("Asset", "STRING", "Key of the asset that was judged."),
        Column("CheckName", "STRING", "Name of the check."),
        Column(
            "PartitionKey",
            "STRING",
            "The session, as yyyy-mm-dd; empty where the asset as a whole was judged.",
        ),
        Column("EvaluatedAt", "TIMESTAMP", "When it was judged, UTC."),
        Column("Passed", "BOOL", "Whether nothing offended."),
        Column("Severity", "STRING", "Of a failure: WARN or ERROR."),
        Column("Blocking", "BOOL", "Whether an ERROR stops what is downstream."),
        Column("OffendingRows", "INT64", "How many rows, lines, bars or symbols offended."),
        Column("Description", "STRING", "The verdict in a sentence."),
        Column("Sample", "STRING", "Some of the offenders: a JSON list of texts."),
    ),
)
