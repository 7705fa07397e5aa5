"""The stored form of ledger entries."""

from datetime import UTC, datetime

import orjson

from stock_platform.erp.ledger import LoadRecord

VERSION_0_1 = b"""{
    "name": "companies.csv", "generation": "1795740752988094-916", "sha256": "ab12",
    "arrived_at": "2026-11-27T01:12:32.988094+00:00",
    "loaded_at": "2026-11-27T01:12:38.100000+00:00",
    "status": "rejected", "reason": "the file is empty; export it again",
    "accepted": 0, "rejected": 1,
    "sample": [{"LINE": 10, "REASON": "unknown_exchange", "KEY": "C-1", "TEXT": "C-1,TSLA"}],
    "outdated": 0, "rules": "0123456789abcdef", "is_gone": true
}"""


def test_version_0_1_entry_round_trips():
    record = LoadRecord.from_json(orjson.loads(VERSION_0_1))
    assert record.key == "companies.csv@1795740752988094-916"
    assert (record.is_rejected, record.is_deleted) == (True, True)
    assert record.arrived_at == datetime(2026, 11, 27, 1, 12, 32, 988094, tzinfo=UTC)
    assert orjson.loads(orjson.dumps(record.to_json())) == orjson.loads(VERSION_0_1)


def test_entry_without_later_fields_is_read():
    names = ("name", "generation", "sha256", "arrived_at", "loaded_at")
    stored = orjson.loads(VERSION_0_1)
    record = LoadRecord.from_json({name: stored[name] for name in names})
    assert (record.status, record.is_deleted) == ("unchanged", False)
