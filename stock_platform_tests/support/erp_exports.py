"""Small ERP exports for tests."""

from datetime import date
from functools import cache

from stock_platform.erp.export import COMPANIES, EXCHANGES, read_export
from stock_platform.erp.row_rules import company_rule, exchange_rule, listings
from stock_platform_tests.support.platform_fixture import SAMPLE_ERP

HEADER = ",".join(COMPANIES.columns)
TODAY = date(2026, 1, 1)


def company(item="C-1", ticker="AAPL", name="Apple Inc.", mic="XNAS", **other):
    values = {"sector": "Tech", "country": "US", "currency": "USD", "isin": "", "active": "Y"}
    values |= {"changed": "2020-01-01", **other}
    return ",".join([item, ticker, name, mic, *values.values()])


def exchanges(file=SAMPLE_ERP / "exchanges.csv"):
    return read_export(file, EXCHANGES, exchange_rule, 0.2)


@cache
def rule():
    return company_rule(listings(exchanges().accepted.to_pylist()), TODAY)


def read(folder, content, share=1.0):
    file = folder / "erp"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_export(file, COMPANIES, rule(), share)


def export(folder, *rows, share=1.0, header=HEADER):
    return read(folder, "\r\n".join([header, *rows]) + "\r\n", share)
