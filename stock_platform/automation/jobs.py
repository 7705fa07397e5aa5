"""The jobs: which assets belong together in a run."""

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
    description="Prices of a session, or of a range of sessions, from Yahoo to the warehouse.",
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
    description="Companies and exchanges of the ERP files that were not loaded yet.",
    # While a load is under way none is asked for, and nothing tells one whose process is gone.
    # A million rows take 50 seconds.
    tags={dg.MAX_RUNTIME_SECONDS_TAG: "1800"},
)

REFERENCE_DATA: Final = dg.define_asset_job(
    "reference_data",
    selection=dg.AssetSelection.assets("dim_date", "dim_trading_session"),
    description="Days and trading sessions, a year ahead.",
)

QUALITY_REPORT: Final = dg.define_asset_job(
    "quality_report",
    selection=dg.AssetSelection.assets("asset_check_result", "quality_report"),
    description="What the checks said since the last time, and the page that shows it.",
)

FRESHNESS: Final = dg.define_asset_job(
    "freshness",
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_stock_prices"), "fresh")),
    description="Whether the prices that are due are there; judged without fetching any.",
)

JOBS: Final = (DAILY_STOCK_PRICES, ERP_LOAD, REFERENCE_DATA, QUALITY_REPORT, FRESHNESS)
