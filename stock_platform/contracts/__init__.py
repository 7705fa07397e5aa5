"""Table contracts of the warehouse: the one description from which all schemas are generated."""

from typing import Final

from stock_platform.contracts.dimensions import (
    DIM_COMPANY,
    DIM_COMPANY_HISTORY,
    DIM_DATE,
    DIM_EXCHANGE,
    DIM_TRADING_SESSION,
)
from stock_platform.contracts.facts import (
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
)
from stock_platform.contracts.load_log import LOAD_LOG
from stock_platform.contracts.quality import ASSET_CHECK_RESULT
from stock_platform.contracts.table import Column, Table

TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        DIM_DATE,
        DIM_EXCHANGE,
        DIM_COMPANY,
        DIM_COMPANY_HISTORY,
        DIM_TRADING_SESSION,
        FACT_STOCK_PRICE,
        FACT_CORPORATE_ACTION,
        STOCK_PRICE_ADJUSTED,
        LOAD_LOG,
        ASSET_CHECK_RESULT,
    )
}

__all__ = [
    "ASSET_CHECK_RESULT",
    "DIM_COMPANY",
    "DIM_COMPANY_HISTORY",
    "DIM_DATE",
    "DIM_EXCHANGE",
    "DIM_TRADING_SESSION",
    "FACT_CORPORATE_ACTION",
    "FACT_STOCK_PRICE",
    "LOAD_LOG",
    "STOCK_PRICE_ADJUSTED",
    "TABLES",
    "Column",
    "Table",
]
