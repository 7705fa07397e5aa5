"""Versions of the rows of version 0.1.0, which had neither SecurityId nor KnownFrom."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.lake.migrate_raw import parse_old_record
from stock_platform.lake.paths import PROCESSED_TABLES, ProcessedTable
from stock_platform.lake.processed import VERSION_SCHEMAS
from stock_platform.lake.processed_0_1_0 import OldSession

_RENAMED: Final = {"AdjClose": "YahooAdjClose", "SessionDate": "TradeDate"}
_ORDER: Final = ("SecurityId", "TradeDate", "ActionType", "Reason", "Record")


def end_of(session: str) -> datetime:
    """Return the end of a session's day, UTC."""
    return datetime.fromisoformat(session).replace(tzinfo=UTC) + timedelta(days=1)


class VersionBuilder:
    """Makes versions of rows.

    Attributes:
        unknown: number of rows of a security that the ERP does not know.
    """

    def __init__(self, security_ids: Mapping[tuple[str, str, str], str], batch_id: str) -> None:
        self.unknown = 0
        self._ids = security_ids
        self._batch_id = batch_id
        self._exchanges: dict[str, set[str]] = defaultdict(set)
        for exchange, symbol, _ in security_ids:
            self._exchanges[symbol].add(exchange)

    def build(self, sessions: Iterable[OldSession]) -> dict[ProcessedTable, pa.Table]:
        """Return the versions of all rows of some sessions, sorted."""
        found: dict[ProcessedTable, list[pa.Table]] = {table: [] for table in PROCESSED_TABLES}
        for old in sessions:
            for table, rows in self._of_session(old).items():
                found[table].append(rows)
        return {
            table: _sorted(pa.concat_tables([VERSION_SCHEMAS[table].empty_table(), *tables]))
            for table, tables in found.items()
        }

    def _of_session(self, old: OldSession) -> dict[ProcessedTable, pa.Table]:
        rows = {
            table: found.rename_columns([_RENAMED.get(name, name) for name in found.column_names])
            for table, found in old.rows.items()
        }
        exchanges: dict[str, str] = {}
        if "stock_prices" in rows:
            columns = (rows["stock_prices"][name] for name in ("Ticker", "ExchangeCode"))
            exchanges = dict(zip(*(column.to_pylist() for column in columns), strict=True))
        known_from = max(
            (
                pc.max(found["FetchedAt"]).as_py()
                for found in rows.values()
                if "FetchedAt" in found.column_names and found.num_rows
            ),
            default=end_of(old.session),
        )

        def id_of(ticker: str) -> str:
            exchange = exchanges.get(ticker) or self._only_exchange(ticker)
            return self._security_id(exchange, ticker, old.session)

        if "quarantine" in rows:
            rows["quarantine"] = self._quarantine(rows["quarantine"], id_of, old.session)
        return {
            table: self._versions(table, found, id_of, known_from) for table, found in rows.items()
        }

    def _versions(
        self,
        table: ProcessedTable,
        rows: pa.Table,
        id_of: Callable[[str], str],
        known_from: datetime,
    ) -> pa.Table:
        columns = dict(zip(rows.column_names, rows.columns, strict=True))
        count = rows.num_rows
        if "SecurityId" not in columns:
            columns["SecurityId"] = pa.array(map(id_of, rows["Ticker"].to_pylist()), pa.string())
        columns["KnownFrom"] = columns.get(
            "FetchedAt", pa.array([known_from] * count, pa.timestamp("us", "UTC"))
        )
        columns["BatchId"] = pa.array([self._batch_id] * count, pa.string())
        columns["Change"] = pa.array(["new"] * count, pa.string())
        schema = VERSION_SCHEMAS[table]
        return pa.table({name: columns[name] for name in schema.names}).cast(schema)

    def _quarantine(self, rows: pa.Table, id_of: Callable[[str], str], session: str) -> pa.Table:
        """Add the id of the security, also to the record, as the raw migration does."""
        ids, texts = [], []
        for row in rows.select(["Ticker", "Record"]).to_pylist():
            record = parse_old_record(row["Record"].encode(), session)
            text = row["Record"]
            security = None
            if record is not None:
                exchange, symbol = str(record.get("exchange")), record["symbol"]
                security = self._security_id(exchange, symbol, session)
                text = orjson.dumps({**record, "security_id": security}).decode()
            elif row["Ticker"] is not None:
                security = id_of(row["Ticker"])
            ids.append(security)
            texts.append(text)
        columns: dict[str, Any] = dict(zip(rows.column_names, rows.columns, strict=True))
        columns |= {
            name: pa.array(values, pa.string())
            for name, values in (("SecurityId", ids), ("Record", texts))
        }
        return pa.table(columns)

    def _security_id(self, exchange: str, symbol: str, session: str) -> str:
        found = self._ids.get((exchange, symbol, session))
        self.unknown += found is None
        return found or f"legacy:{exchange}:{symbol}"

    def _only_exchange(self, symbol: str) -> str:
        """Return the exchange of a symbol if the ERP knows exactly one, otherwise an empty text."""
        found = self._exchanges.get(symbol, set())
        return next(iter(found)) if len(found) == 1 else ""


def _sorted(rows: pa.Table) -> pa.Table:
    order: Sequence[str] = [name for name in _ORDER if name in rows.column_names]
    return rows.sort_by([(name, "ascending") for name in order])
