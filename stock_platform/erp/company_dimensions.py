"""Rows of the company dimensions, made of ERP records: their newest state and their history."""

import duckdb
import pyarrow as pa

from stock_platform.contracts import DIM_COMPANY, DIM_COMPANY_HISTORY, Table
from stock_platform.contracts.render import arrow_schema
from stock_platform.erp.history import ENGINE, company_versions

_HISTORY = """
    SELECT
      TICKER AS Symbol,
      CAST(FROM_DAY AS DATE) AS EffectiveFrom,
      CAST(TO_DAY AS DATE) AS EffectiveTo,
      TO_DAY IS NULL AS IsCurrent,
      ITEM_ID AS SecurityId,
      COMPANY_NAME AS CompanyName,
      EXCH_CODE AS ExchangeCode,
      NULLIF(SECTOR, '') AS Sector,
      NULLIF(COUNTRY, '') AS Country,
      NULLIF(CURRENCY, '') AS Currency,
      NULLIF(ISIN, '') AS Isin,
      ACTIVE = 'Y' AS IsActive,
      VANISHED_AT IS NOT NULL AS IsMissingFromExport,
      SOURCE_FILE AS SourceFile,
      CAST(LOADED_AT AS TIMESTAMPTZ) AS LoadedAt
    FROM versions
"""
# Every symbol by its newest state; one that its company gave up is inactive from that day on.
_STATE = """
    WITH newest AS (
      SELECT * FROM history
      QUALIFY ROW_NUMBER() OVER (
        PARTITION BY Symbol
        ORDER BY
          (IsActive AND IsCurrent) DESC,
          (EffectiveTo IS NULL OR EffectiveTo > EffectiveFrom) DESC,
          EffectiveFrom DESC,
          SecurityId
      ) = 1
    )
    SELECT * REPLACE (
      COALESCE(EffectiveTo, EffectiveFrom) AS EffectiveFrom,
      IsActive AND IsCurrent AS IsActive
    )
    FROM newest
"""


def dim_company_history_rows(records: pa.Table) -> pa.Table:
    """Rows of dim_company_history: one per company and first day of a state."""
    with duckdb.connect(config=ENGINE) as engine:
        engine.register("versions", company_versions(records))
        return _conform(engine.sql(_HISTORY), DIM_COMPANY_HISTORY)


def dim_company_rows(records: pa.Table) -> pa.Table:
    """Rows of dim_company: one per symbol."""
    with duckdb.connect(config=ENGINE) as engine:
        engine.register("history", dim_company_history_rows(records))
        return _conform(engine.sql(_STATE), DIM_COMPANY)


def _conform(rows: duckdb.DuckDBPyRelation, table: Table) -> pa.Table:
    names = [column.name for column in table.columns]
    return rows.project(", ".join(names)).order("Symbol").to_arrow_table().cast(arrow_schema(table))
