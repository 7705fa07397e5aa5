"""The dimensions of a world, from an ERP export of its files' instruments."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from stock_platform.contracts import TABLES
from stock_platform.erp import store
from stock_platform.erp.export import COMPANIES, EXCHANGES, ExportSchema, read_export
from stock_platform.erp.history import ExportProvenance, merge_export
from stock_platform.erp.ledger import LoadRecord
from stock_platform.erp.row_rules import RowRule, company_rule, exchange_rule, listings
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.orchestration.assets.dimensions import dimension_assets
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.recorded_worlds.files import RecordedFile, exchanges


def load_dimensions(
    paths: LakePaths,
    warehouse: DuckDBWarehouse,
    recorded: Sequence[RecordedFile],
    days: Sequence[date],
) -> None:
    """Load an ERP export of the files' companies and exchanges, and the dimensions."""
    mics = sorted({file.company["mic"] for file in recorded})
    listed = _load(paths, "exchanges", EXCHANGES, map(_exchange, mics), exchange_rule)
    rule = company_rule(listings(listed.records.to_pylist()), days[-1])
    companies = _load(paths, "companies", COMPANIES, map(_company, recorded), rule)
    inputs = {
        "dim_company": [companies],
        "dim_company_history": [companies],
        "dim_exchange": [listed],
        "dim_trading_session": [listed],
    }
    for asset in dimension_assets(days[0], days[-1]):
        name = asset.key.to_user_string()
        warehouse.replace_table(TABLES[name], asset(*inputs.get(name, [])))


def _load(
    paths: LakePaths,
    kind: ErpKind,
    schema: ExportSchema,
    rows: Iterator[Mapping[str, str]],
    rule: RowRule,
) -> ErpSnapshot:
    folder = Path(paths.landing(kind))
    folder.mkdir(parents=True)
    with (folder / "recorded.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, schema.columns)
        writer.writeheader()
        writer.writerows(rows)
    export = read_export(folder / "recorded.csv", schema, rule, 0)
    now = datetime.now(UTC)
    merged = merge_export(None, export, schema, ExportProvenance("recorded.csv", now))
    known = ErpSnapshot(kind, "recorded.csv", merged.records, [])
    store.save(paths, known, LoadRecord("recorded.csv", "", "", now, now, "loaded"))
    return known


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
