"""Versions of the rows of version 0.1.0, which had neither SecurityId nor KnownFrom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pyarrow as pa

from stock_platform.lake.migrate_raw import Securities, parse_old_record
from stock_platform.lake.paths import ProcessedTable
from stock_platform.lake.processed_0_1_0 import OldSession
from stock_platform.lake.versions import VERSION_SCHEMAS

_RENAMED: Final = {"AdjClose": "YahooAdjClose", "SessionDate": "TradeDate"}


def end_of(session: str) -> datetime:
    """Return the end of a session's day, UTC."""
    return datetime.fromisoformat(session).replace(tzinfo=UTC) + timedelta(days=1)


def versions_of(
    old: OldSession, securities: Securities, batch_id: str
) -> Iterator[tuple[ProcessedTable, pa.Table]]:
    """Yield the versions of all rows of a session, by table."""
    tables = {table: rows.to_pylist() for table, rows in old.rows.items()}
    exchanges = {row["Ticker"]: row["ExchangeCode"] for row in tables.get("stock_prices", ())}
    fetched = [row["FetchedAt"] for rows in tables.values() for row in rows if "FetchedAt" in row]
    common = {
        "KnownFrom": max(fetched, default=end_of(old.session)),
        "BatchId": batch_id,
        "Change": "new",
    }
    for table, rows in tables.items():
        versions = []
        for row in rows:
            version = {_RENAMED.get(name, name): value for name, value in row.items()} | common
            version["KnownFrom"] = row.get("FetchedAt", common["KnownFrom"])
            if not _identify_record(version, securities, old.session) and row["Ticker"]:
                exchange = exchanges.get(row["Ticker"], "")
                version["SecurityId"] = securities.id_of(exchange, row["Ticker"], old.session)
            versions.append(version)
        yield table, pa.Table.from_pylist(versions, schema=VERSION_SCHEMAS[table])


def _identify_record(version: dict[str, Any], securities: Securities, session: str) -> bool:
    """Add the id of the security to a quarantined record, as the raw migration does."""
    record = parse_old_record(version.get("Record", "").encode(), session)
    if record is None:
        return False
    security = securities.id_of(str(record.get("exchange")), record["symbol"], session)
    version["SecurityId"] = security
    version["Record"] = orjson.dumps({**record, "security_id": security}).decode()
    return True
