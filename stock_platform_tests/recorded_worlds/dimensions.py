"""The dimensions of a world, by way of an ERP export that names its files' instruments."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from stock_platform.assets.dimensions import dimension_assets
from stock_platform.assets.raw import raw_erp_companies, raw_erp_exchanges
from stock_platform.contracts import TABLES
from stock_platform.lake import raw_erp
from stock_platform.lake.paths import LakePaths
from stock_platform.resources import LakeResource
from stock_platform.sources.erp import COMPANY_COLUMNS, EXCHANGE_COLUMNS
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.recorded_worlds.files import RecordedFile, exchanges


def load_dimensions(
    paths: LakePaths,
    warehouse: DuckDBWarehouse,
    recorded: Sequence[RecordedFile],
    days: Sequence[date],
) -> None:
    """An ERP export of the files' companies and exchanges, and the dimensions made of it."""
    mics = {it.company["mic"] for it in recorded}
    _drop(paths.landing("companies"), COMPANY_COLUMNS, map(_company, recorded))
    _drop(paths.landing("exchanges"), EXCHANGE_COLUMNS, map(_exchange, sorted(mics)))
    lake = LakeResource(root=paths.root)
    companies = raw_erp.save(paths, raw_erp_companies(lake=lake))
    listed = raw_erp.save(paths, raw_erp_exchanges(lake=lake))
    inputs = {"dim_company": [companies], "dim_exchange": [listed], "dim_trading_session": [listed]}
    for asset in dimension_assets(days[0], days[-1]):
        name = asset.key.to_user_string()
        warehouse.replace_table(TABLES[name], asset(*inputs.get(name, [])))


def _drop(folder: str, columns: Sequence[str], rows: Iterator[Mapping[str, str]]) -> None:
    Path(folder).mkdir(parents=True)
    with (Path(folder) / "recorded.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _company(file: RecordedFile) -> dict[str, str]:
    company = file.company
    return {
        "ITEM_ID": file.symbol,
        "TICKER": file.symbol,
        "COMPANY_NAME": company["name"],
        "EXCH_CODE": company["mic"],
        "SECTOR": company["sector"],
        "COUNTRY": company["country"],
        "CURRENCY": company["currency"],
        "ISIN": company["isin"],
        "ACTIVE": "N",
        "LAST_CHANGED": "2001-01-01",
    }


def _exchange(mic: str) -> dict[str, str]:
    exchange = exchanges()[mic]
    return {
        "EXCH_CODE": mic,
        "EXCH_NAME": exchange["name"],
        "COUNTRY": exchange["country"],
        "CITY": exchange["city"],
        "TIMEZONE": exchange["timezone"],
        "PRICE_CURRENCY": exchange["price_currency"],
        "YAHOO_SUFFIX": exchange["yahoo_suffix"],
        "YAHOO_EXCHANGE_CODES": exchange["yahoo_exchange_codes"],
    }
