"""The table of contents: what Dagster loads.

Belongs here: which assets, checks, jobs and resources there are, and which resource a setting
chooses. No implementation of any of them.
"""

import warnings
from typing import Any

import dagster as dg

from stock_platform.lake import files
from stock_platform.orchestration.assets.dimensions import dimension_assets
from stock_platform.orchestration.assets.erp import erp_assets
from stock_platform.orchestration.assets.facts import facts_asset, stock_price_adjusted
from stock_platform.orchestration.assets.processed import processed_stock_prices_asset
from stock_platform.orchestration.assets.quality import asset_check_result, quality_report_asset
from stock_platform.orchestration.assets.raw import raw_stock_prices_asset
from stock_platform.orchestration.automation.backfill import backfill_securities_job
from stock_platform.orchestration.automation.jobs import JOBS
from stock_platform.orchestration.automation.maintenance import maintain_processed_prices
from stock_platform.orchestration.automation.pruning import prune_event_logs
from stock_platform.orchestration.automation.rebuild import rebuild_warehouse_job
from stock_platform.orchestration.automation.rebuild_lake import (
    rebuild_processed_prices_job,
    rebuild_raw_prices,
)
from stock_platform.orchestration.automation.schedules import schedules
from stock_platform.orchestration.automation.sensors import SENSORS
from stock_platform.orchestration.checks.factory import build_asset_checks
from stock_platform.orchestration.io_managers.processed_parquet import ProcessedParquetIOManager
from stock_platform.orchestration.io_managers.raw_json import RawJsonIOManager
from stock_platform.orchestration.io_managers.warehouse_table import WarehouseTableIOManager
from stock_platform.orchestration.monitoring.notifications import AlertsResource
from stock_platform.orchestration.monitoring.sensors import monitoring_sensors
from stock_platform.orchestration.partitions import trading_days
from stock_platform.orchestration.resources import (
    LakeResource,
    MarketDataResource,
    SparkResource,
    WarehouseResource,
)
from stock_platform.orchestration.resources.local import DuckDBResource, LocalSparkResource
from stock_platform.settings import BigQueryDataset, Settings, load_settings
from stock_platform.warehouse.sql_dialect import check_dialects


def build_definitions(settings: Settings, **overrides: Any) -> dg.Definitions:  # noqa: ANN401
    """Build the asset graph of a deployment.

    Args:
        settings: the deployment's settings.
        overrides: resources by name, in place of those that the settings choose.
    """
    with warnings.catch_warnings():
        # Backfill policies and code links are beta in Dagster 1.13, partitioned checks a
        # preview; its minor version is pinned for that.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _build(settings, overrides)


def _build(settings: Settings, overrides: dict[str, Any]) -> dg.Definitions:
    check_dialects()
    days = trading_days(settings.exchanges, settings.start_date, settings.last_date)
    checks = build_asset_checks(settings, days)
    processed = processed_stock_prices_asset(days, settings.quality)
    dimensions = dimension_assets(settings.start_date, settings.last_date)
    assets = [
        *erp_assets(settings.erp_rejected_share),
        raw_stock_prices_asset(days, settings.quality),
        processed,
        *dimensions,
        facts_asset(days),
        stock_price_adjusted,
        asset_check_result,
        quality_report_asset(
            settings,
            [key for definition in [processed, *checks] for key in definition.check_keys],
        ),
    ]
    return dg.Definitions(
        assets=dg.with_source_code_references(assets),
        asset_checks=checks,
        jobs=[
            *JOBS,
            backfill_securities_job(settings.quality),
            rebuild_warehouse_job(dimensions),
            rebuild_processed_prices_job(settings.quality),
            rebuild_raw_prices,
            prune_event_logs,
            maintain_processed_prices,
        ],
        sensors=[*SENSORS, *monitoring_sensors(settings)],
        schedules=schedules(on=settings.market_data == "yahoo"),
        resources=resources_for(settings) | overrides,
        # A process per step would cost 8 s each on 2 cores, and Spark does the heavy work anyway.
        executor=dg.in_process_executor,
    )


def resources_for(settings: Settings) -> dict[str, Any]:
    """Return the resources that the settings choose."""
    files.use_account(settings.ingest_account)
    lake = LakeResource(root=settings.lake)
    warehouse = _warehouse(settings)
    return {
        "lake": lake,
        "warehouse": warehouse,
        "spark": _spark(settings, lake),
        "market_data": MarketDataResource(
            source=settings.market_data,
            yahoo_url=str(settings.yahoo_url) if settings.yahoo_url else None,
            requests_per_second=settings.yahoo_requests_per_second,
        ),
        # Passed by name, because a value would be stored in Dagster's snapshots.
        "alert_service": AlertsResource(
            url=dg.EnvVar("STOCK_PLATFORM_ALERT_URL") if settings.alert_url else ""
        ),
        "raw_json": RawJsonIOManager(lake=lake),
        "processed_parquet": ProcessedParquetIOManager(lake=lake),
        "warehouse_table": WarehouseTableIOManager(warehouse=warehouse),
    }


def _warehouse(settings: Settings) -> WarehouseResource:
    if not isinstance(settings.warehouse, BigQueryDataset):
        return DuckDBResource(file=str(settings.warehouse.path))
    # PLC0415: the import takes 4 s.
    from stock_platform.orchestration.resources import google  # noqa: PLC0415

    return google.bigquery_warehouse(settings, settings.warehouse)


def _spark(settings: Settings, lake: LakeResource) -> SparkResource:
    if settings.spark != "dataproc":
        return LocalSparkResource(engine=settings.spark)
    # PLC0415: the import takes 4 s.
    from stock_platform.orchestration.resources import google  # noqa: PLC0415

    return google.dataproc_spark(settings, lake)


defs = build_definitions(load_settings())
