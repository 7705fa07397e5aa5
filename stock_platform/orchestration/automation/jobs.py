"""The jobs: assets that are materialized together."""

from typing import Final

import dagster as dg

DAILY_STOCK_PRICES: Final = dg.define_asset_job(
    "daily_stock_prices",
    selection=dg.AssetSelection.assets(
        "raw_stock_prices",
        "processed_stock_prices",
        "fact_stock_price",
        "fact_corporate_action",
        "stock_price_adjusted",
    ),
    description="Loads the prices of one or more sessions from Yahoo into the warehouse.",
)

ERP_LOAD: Final = dg.define_asset_job(
    "erp_load",
    selection=dg.AssetSelection.assets(
        "raw_erp_companies",
        "raw_erp_exchanges",
        "dim_company",
        "dim_company_history",
        "dim_exchange",
    ),
    description="Loads companies and exchanges from new ERP files.",
    # No second load starts while one is running, so a hanging load must end. A million rows take
    # 50 seconds.
    tags={dg.MAX_RUNTIME_SECONDS_TAG: "1800"},
)

REFERENCE_DATA: Final = dg.define_asset_job(
    "reference_data",
    selection=dg.AssetSelection.assets("dim_date", "dim_trading_session"),
    description="Computes calendar days and trading sessions, one year ahead.",
)

QUALITY_REPORT: Final = dg.define_asset_job(
    "quality_report",
    selection=dg.AssetSelection.assets("asset_check_result", "quality_report"),
    description="Collects new check results and writes the data quality page.",
)

FRESHNESS: Final = dg.define_asset_job(
    "freshness",
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_stock_prices"), "fresh")),
    description="Checks whether all due prices have arrived. Fetches nothing.",
)

JOBS: Final = (DAILY_STOCK_PRICES, ERP_LOAD, REFERENCE_DATA, QUALITY_REPORT, FRESHNESS)
