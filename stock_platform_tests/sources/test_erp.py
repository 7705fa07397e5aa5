"""ERP files: what is accepted, what is rejected and why."""

import pytest

from stock_platform.sources.erp import (
    COMPANY_COLUMNS,
    ErpFileError,
    is_active,
    read_companies,
    read_exchanges,
)

HEADER = ",".join(COMPANY_COLUMNS)


def company(ticker="AAPL", name="Apple Inc.", mic="XNAS", active="Y", changed="2020-01-01"):
    return f"C-1,{ticker},{name},{mic},Tech,United States,USD,,{active},{changed}"


def read(*rows, header=HEADER, encoding="utf-8"):
    return read_companies("\r\n".join([header, *rows]).encode(encoding))


def test_rows_are_kept_as_text():
    rows = read(company("NA", "TRUE"), company("0700.HK", "1E3")).accepted
    assert [(row["TICKER"], row["COMPANY_NAME"]) for row in rows] == [
        ("NA", "TRUE"),
        ("0700.HK", "1E3"),
    ]


def test_quoted_commas_quotes_and_newlines_are_part_of_a_name():
    (row,) = read(company(name='"A ""great"", Inc.\nof Delaware"')).accepted
    assert row["COMPANY_NAME"] == 'A "great", Inc.\nof Delaware'


def test_a_byte_order_mark_spaces_and_lower_case_keys_are_no_trouble():
    (row,) = read(company(" brk-b\u00a0"), encoding="utf-8-sig").accepted
    assert row["TICKER"] == "BRK-B"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (company(ticker=" "), "missing_value"),
        (company(mic=""), "missing_value"),
        (company(active="yes"), "active_not_y_or_n"),
        (company(mic="XNSA"), "exchange_without_calendar"),
        (company(changed="01.02.2020"), "last_changed_no_iso_date"),
        (company() + ",one,more", "ragged_row"),
        ("C-1,AAPL", "ragged_row"),
        (company("GOOD", "twice"), "duplicate_key"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason_and_the_good_one_kept(row, reason):
    file = read(company("GOOD"), row)
    assert [it["COMPANY_NAME"] for it in file.accepted] == ["Apple Inc."]
    assert [(it.line, it.reason) for it in file.rejected] == [(3, reason)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the header lacks"),
        (HEADER.encode(), "no row could be accepted"),
        (HEADER.replace("EXCH_CODE,", "").encode() + b"\nx", "lacks EXCH_CODE"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"<html><body>Error</body></html>", "the header lacks"),
        (HEADER.encode() + b'\n"C-1,AAPL', "is no CSV"),
    ],
    ids=["empty", "header only", "missing column", "binary", "HTML", "truncated in a quote"],
)
def test_a_bad_file_is_rejected_whole_with_a_reason(content, says):
    with pytest.raises(ErpFileError, match=says):
        read_companies(content)


def test_columns_may_stand_in_any_order_with_others_between():
    header = "EXTRA,YAHOO_EXCHANGE_CODES,YAHOO_SUFFIX,PRICE_CURRENCY,TIMEZONE,CITY,COUNTRY,"
    content = f"{header}EXCH_NAME,EXCH_CODE\nx,LSE,.L,GBp,Europe/London,London,GB,London,xlon\n"
    (row,) = read_exchanges(content.encode()).accepted
    assert (row["EXCH_CODE"], row["YAHOO_SUFFIX"], row["PRICE_CURRENCY"]) == ("XLON", ".L", "GBp")


def test_only_y_is_active():
    active, inactive = read(company("A"), company("B", active="N")).accepted
    assert (is_active(active), is_active(inactive)) == (True, False)
