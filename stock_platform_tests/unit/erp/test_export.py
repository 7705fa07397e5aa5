"""Accepted and rejected rows and files of ERP exports."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_platform.erp.csv_reader import ErpFileError
from stock_platform.erp.export import COMPANIES, EXCHANGES
from stock_platform.erp.row_rules import normalise_whitespace
from stock_platform_tests.support.erp_exports import HEADER, company, exchanges, export, read


def accepted(found, column="TICKER"):
    return found.accepted[column].to_pylist()


def rejected(found):
    return [(row["LINE"], row["REASON"]) for row in found.rejected.to_pylist()]


def test_text_that_parsers_convert_is_kept(tmp_path):
    tickers = ["NA", "TRUE", "NAN", "1E3", "0700"]
    rows = [company(f"C-{number}", ticker) for number, ticker in enumerate(tickers)]
    assert accepted(export(tmp_path, *rows)) == tickers


@pytest.mark.parametrize(
    ("ticker", "mic", "symbol"),
    [
        ("BRK-B", "XNYS", "BRK-B"),
        ("BF.B", "XNYS", "BF.B"),
        ("^GSPC", "XNYS", "^GSPC"),
        ("0700", "XHKG", "0700.HK"),
        ("0700.HK", "XHKG", "0700.HK"),
        (" vod\u00a0", "LSE", "VOD.L"),
        ("AAPL", "nms", "AAPL"),
    ],
)
def test_symbol_gets_yahoo_suffix_of_exchange(tmp_path, ticker, mic, symbol):
    assert accepted(export(tmp_path, company(ticker=ticker, mic=mic))) == [symbol]


# A symbol needs a letter or a digit.
NO_SYMBOLS = (".", "..", "-", "=CMD", "&_")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (company("C-2", ticker=" "), "missing_value"),
        (company("", "X"), "missing_value"),
        (company("C-2", "X", mic=""), "missing_value"),
        (company("C-2", "X", mic="XXXX"), "unknown_exchange"),
        (company("C-2", "A B"), "symbol_not_of_yahoos_characters"),
        (company("C-2", "../A"), "symbol_not_of_yahoos_characters"),
        *((company("C-2", odd), "symbol_not_of_yahoos_characters") for odd in NO_SYMBOLS),
        (company("C-2", "X", active="maybe"), "active_not_y_or_n"),
        (company("C-2", "X", changed="2020-13-01"), "last_changed_no_date"),
        (company("C-2", "X", changed="2020-W01-1"), "last_changed_no_date"),
        (company("C-2", "X", changed="2026-01-02"), "last_changed_in_the_future"),
        (company("C-2", "X", country="Atlantis"), "unknown_country"),
        (company("C-2", "X", currency="XXY"), "unknown_currency"),
        (company("C-2", "X", isin="US0378331006"), "isin_checksum"),
        (company("C-2", "X", name="Ad\0obe"), "control_character"),
        (company("C-2", "X", name="x" * 301), "value_too_long"),
        (company("C-2", "X", name='"' + "x" * 10_000_000 + '"'), "malformed_quotes_or_field"),
        (company("C-2", "X", name='"a"b'), "malformed_quotes_or_field"),
        (company("C-2", "X") + ",one more", "ragged_row"),
        ("C-2,X", "ragged_row"),
        (company(), "repeated_row"),
    ],
)
def test_bad_row_is_rejected_alone(tmp_path, row, reason):
    found = export(tmp_path, company(), row)
    assert accepted(found) == ["AAPL"]
    assert rejected(found) == [(3, reason)]
    assert found.rejected["TEXT"].to_pylist() == [f"{row}\r\n"[:2000]]


def test_contradicting_rows_are_all_rejected(tmp_path):
    found = export(
        tmp_path, company(), company(name="Other"), company("C-2", "MSFT"), company("C-3", "MSFT")
    )
    assert accepted(found) == []
    assert rejected(found) == [(n, "conflicting_key") for n in (2, 3, 4, 5)]


def test_line_number_is_of_first_line(tmp_path):
    found = export(tmp_path, company(name='"two\nlines"'), company("C-2", "X", mic="XXXX"))
    assert accepted(found, "COMPANY_NAME") == ["two lines"]
    assert rejected(found) == [(4, "unknown_exchange")]


def test_formulas_are_text(tmp_path):
    names = ["=HYPERLINK(1)", "+1", "@SUM(A1)", "-2"]
    rows = [company(f"C-{n}", f"T{n}", name) for n, name in enumerate(names)]
    assert accepted(export(tmp_path, *rows), "COMPANY_NAME") == names


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_detected(tmp_path, encoding, delimiter):
    text = "\r\n".join([HEADER, company(name="Crédit Agricole")]) + "\r\n"
    found = read(tmp_path, text.replace(",", delimiter).encode(encoding))
    assert accepted(found, "COMPANY_NAME") == ["Crédit Agricole"]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_single_byte_encodings_are_detected(tmp_path, encoding):
    names = ["Société Générale", "Deutsche Börse", "Huhtamäki", "Nestlé"]
    rows = [company(f"C-{n}", f"T{n}", name) for n, name in enumerate(names)]
    found = read(tmp_path, ("\n".join([HEADER, *rows]) + "\n").encode(encoding))
    assert accepted(found, "COMPANY_NAME") == names


def test_header_may_be_reordered_and_aliased(tmp_path):
    header = "Cost Centre;mic;Item-Id;symbol;name;sector;country;ccy;isin;active;Last Changed"
    row = "4711;XNYS;C-1;IBM;IBM Corp.;;;USD;;Y;2020-01-01"
    found = read(tmp_path, f"{header}\n{row}\n")
    assert (accepted(found), accepted(found, "EXCH_CODE")) == (["IBM"], ["XNYS"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\r\n \r\n", "is empty"),
        (HEADER.encode(), "a header and no row"),
        (HEADER.replace("EXCH_CODE,", "").encode() + b"\nx\n", "lacks EXCH_CODE"),
        (f"{HEADER},TICKER\nx\n".encode(), "TICKER more than once"),
        (b"PK\x03\x04" + bytes(100), "zip archive"),
        (b"\x1f\x8b" + bytes(100), "gzip"),
        (b"<!doctype html><html>502 Bad Gateway</html>", "web page"),
        (bytes(range(128, 160)) * 50, "expected column names|not text"),
        (f"{HEADER}\n{company()}\n{company('C-2', 'X')[:-4]}".encode(), "middle of a row"),
        (f"{HEADER}\n{company()}\nC-2,X".encode(), "middle of a row"),
        (f'{HEADER}\n{company()}\nC-2,"X'.encode(), "ends within quotes"),
        (f"{HEADER}\n{company()}\n".encode() + b"C-2,\xff\xfe\n", "break the contract"),
    ],
)
def test_bad_file_is_rejected_with_reason(tmp_path, content, says):
    with pytest.raises(ErpFileError, match=says):
        read(tmp_path, content, share=0.2)


def test_sealed_last_row_needs_no_newline(tmp_path):
    assert accepted(read(tmp_path, f"{HEADER}\n{company()}")) == ["AAPL"]


def test_too_many_bad_rows_reject_file(tmp_path):
    rows = [company(f"C-{n}", f"T{n}") for n in range(4)]
    bad = company("C-9", "X", mic="XXXX")
    assert len(accepted(export(tmp_path, *rows, bad, share=0.2))) == 4
    with pytest.raises(ErpFileError, match=r"1 of 4 rows break .*\(unknown_exchange 1\)"):
        export(tmp_path, *rows[1:], bad, share=0.2)


def test_incomplete_exchanges_are_rejected(tmp_path):
    header = ",".join(EXCHANGES.columns)
    rows = [
        "xlon,London,GB,London,Europe/London,GBp,.L,LSE",
        "XX,Short,GB,London,Europe/London,GBp,.L,LSE",
        "XPAR,Paris,FR,Paris,Europe/Atlantis,EUR,.PA,PAR",
        "XETR,Xetra,DE,Frankfurt,Europe/Berlin,,.DE,GER",
    ]
    file = tmp_path / "exchanges.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(ErpFileError, match=r"missing_value 1.*mic_not|mic_not.*missing_value 1"):
        exchanges(file)


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20)))
def test_every_record_is_accepted_or_rejected(tmp_path_factory, names):
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerows([HEADER.split(","), company().split(",")])
    for n, name in enumerate(names):
        item, ticker, _, *rest = company(f"N-{n}", f"N{n}").split(",")
        writer.writerow([item, ticker, name, *rest])
    found = read(tmp_path_factory.mktemp("erp"), stream.getvalue())
    assert found.accepted.num_rows + found.rejected.num_rows == len(names) + 1


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise_whitespace(normalise_whitespace(text)) == normalise_whitespace(text)


def test_unclosed_quote_hides_no_rows(tmp_path):
    rows = [company(f"C-{n}", f"T{n}") for n in range(40)]
    rows[3] = company("C-3", "T3", '"Oops')
    rows[9] = company("C-9", "T9", 'Inc"')
    found = export(tmp_path, *rows)
    assert found.accepted.num_rows + found.rejected.num_rows == 40
    assert found.rejected["LINE"].to_pylist() == list(range(5, 12))
    assert found.rejected["KEY"].to_pylist() == [f"C-{n}" for n in range(3, 10)]
    with pytest.raises(ErpFileError, match="7 of 40 rows"):
        export(tmp_path, *rows, share=0.1)


def test_repeated_rows_do_not_reject_file(tmp_path):
    rows = [company(f"C-{n}", f"T{n}") for n in range(4)]
    found = export(tmp_path, *rows, *rows, share=0.1)
    assert (found.accepted.num_rows, found.rejected.num_rows) == (4, 4)


def test_truncation_in_last_text_is_detected(tmp_path):
    header = ",".join([*COMPANIES.columns[:2], *COMPANIES.columns[3:], "COMPANY_NAME"])
    row = "C-1,AAPL,XNAS,Tech,US,USD,,Y,2020-01-01,Apple In"
    with pytest.raises(ErpFileError, match="middle of a row"):
        read(tmp_path, f"{header}\n{row}")
    assert read(tmp_path, f"{header}\n{row}\n").accepted.num_rows == 1


@pytest.mark.parametrize(
    "content",
    [
        f"sep=,\n\n{HEADER}\n{company()}\n",
        f"\ufeff\r\n{HEADER}\r\n{company()}\r\n\x1a",
        f"{HEADER},NOTES,NOTES,SYMBOL,EXCHANGE\n{company()},a,b,c,d\n",
    ],
    ids=["Excel's first line", "DOS's end of file", "extra columns and aliases"],
)
def test_extra_lines_and_columns_are_ignored(tmp_path, content):
    assert read(tmp_path, content).accepted.num_rows == 1


@pytest.mark.parametrize(
    ("field", "spelt", "kept"),
    [
        ("country", "United Kingdom", "GB"),
        ("country", "UK", "GB"),
        ("currency", "GBX", "GBp"),
        ("currency", "gbx", "GBp"),
        ("currency", "GBp", "GBp"),
        ("currency", "gbp", "GBP"),
        ("isin", "gb00b16gwd56", "GB00B16GWD56"),
        ("active", "ja", "Y"),
        ("changed", "31.12.2019", "2019-12-31"),
        ("changed", "2020-01-02T00:00:00", "2020-01-02"),
        ("changed", "2020-01-02 00:00", "2020-01-02"),
    ],
)
def test_alternative_spellings_are_normalised(tmp_path, field, spelt, kept):
    found = export(tmp_path, company(**{field: spelt}))
    column = "LAST_CHANGED" if field == "changed" else field.upper()
    assert accepted(found, column) == [kept]
