"""The assets built from check results: their table, and the quality report."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from stock_platform.contracts import (
    ASSET_CHECK_RESULT,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
)
from stock_platform.lake import files
from stock_platform.orchestration.assets.common import OWNERS, table_description, table_metadata
from stock_platform.orchestration.check_results.collect import collect_check_results
from stock_platform.orchestration.metadata import link, rows_table, table_preview
from stock_platform.orchestration.resources import LakeResource, WarehouseResource
from stock_platform.quality.report import page
from stock_platform.quality.report.load import load_report
from stock_platform.settings import Settings

GROUP: Final = "quality"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"table"},
    io_manager_key="warehouse_table",
    deps=["raw_stock_prices", "processed_stock_prices", STOCK_PRICE_ADJUSTED.name],
    description=table_description(ASSET_CHECK_RESULT),
    metadata=table_metadata(ASSET_CHECK_RESULT),
    code_version="1",
    pool="warehouse",
)
def asset_check_result(
    context: dg.AssetExecutionContext, lake: LakeResource, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """Add the results since the last materialization. Earlier results are kept."""
    store = warehouse.open()
    collected = collect_check_results(context.instance, lake.paths, store)
    (rows,) = store.query("SELECT COUNT(*) AS n FROM asset_check_result")["n"].to_pylist()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": int(rows),
            "run_rows_collected": collected,
            "preview": table_preview(store, ASSET_CHECK_RESULT),
        }
    )


def quality_report_asset(
    settings: Settings, checks: Collection[dg.AssetCheckKey]
) -> dg.AssetsDefinition:
    """Build the asset of the report on these checks, with links to the deployment's UI."""

    # The op has its own name because Dagster does not allow an op and a job with the same name.
    @dg.multi_asset(
        name="write_quality_report",
        specs=[
            dg.AssetSpec(
                "quality_report",
                deps=[ASSET_CHECK_RESULT.name, FACT_STOCK_PRICE.name, "processed_stock_prices"],
                description=(
                    "Data quality page: open failures, checks by session, failing bars, coverage. "
                    "A single HTML file in the lake that needs no server and no network."
                ),
                group_name=GROUP,
                owners=OWNERS,
                kinds={"html", "plotly"},
                code_version="1",
            )
        ],
    )
    def quality_report(
        lake: LakeResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult[None]:
        report = load_report(
            warehouse.open(),
            lake.paths,
            {(check.asset_key.to_user_string(), check.name) for check in checks},
            str(settings.dagster_url).rstrip("/"),
            datetime.now(UTC),
        )
        uri = lake.paths.quality_report()
        html = page.render(report).encode()
        files.write(uri, html)
        failures = page.open_failures(report)
        return dg.MaterializeResult(
            metadata={
                "page": link(uri),
                "state": report.headline,
                **({"open_failures": rows_table(failures)} if failures else {}),
                "bytes": len(html),
            }
        )

    return quality_report
