"""Real companies in clean and dirty exports are accepted or rejected as docs/erp.md says.

The exports are not part of this repository; without `../shared/data`, the tests are skipped.
"""

import subprocess
import sys
from collections import Counter
from datetime import date

import pytest

from stock_platform.erp.csv_reader import ErpFileError
from stock_platform.erp.export import COMPANIES, EXCHANGES, read_export
from stock_platform.erp.row_rules import company_rule, exchange_rule, listings
from stock_platform_tests.support import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "erp"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not FOLDER.exists(), reason="needs the recorded exports"),
]
EXPECTED = {
    "companies_clean.csv": (67, {}),
    "d01_utf8_bom.csv": (67, {}),
    "d02_latin1_semicolon_dd.mm.yyyy.csv": (11, {}),
    "d03_duplicate_keys_exact_and_conflicting.csv": (65, {"conflicting_key": 4, "repeated_row": 2}),
    "d04_missing_column_EXCH_CODE.csv": "the header lacks EXCH_CODE",
    "d05_unknown_exchange_codes.csv": (63, {"unknown_exchange": 3, "missing_value": 1}),
    "d06_quoted_commas_quotes_newlines.csv": (67, {}),
    "d07_lowercase_trailing_and_nbsp_spaces.csv": (67, {}),
    "d08_empty_0_bytes.csv": "the file is empty",
    "d09_header_only.csv": "a header and no row",
    "d10_reordered_titlecase_extra_column.csv": (67, {}),
    "d11_utf16_tab_excel_unicode_text.txt": (67, {}),
    "d12_ragged_rows.csv": (65, {"ragged_row": 2}),
    "d13_real_tickers_that_parsers_eat_NA_TRUE_0700.csv": (10, {"missing_value": 1}),
    "d14_truncated_mid_row.csv": "in the middle of a row",
    "d15_nul_byte_and_formula.csv": (5, {"control_character": 1}),
    "snapshot2_changes.csv": (65, {}),
}


@pytest.fixture(scope="module")
def rule():
    exchanges = read_export(FOLDER / "exchanges_clean.csv", EXCHANGES, exchange_rule, 0)
    assert (exchanges.accepted.num_rows, exchanges.rejected.num_rows) == (51, 0)
    return company_rule(listings(exchanges.accepted.to_pylist()), date(2026, 1, 1))


@pytest.mark.parametrize("name", EXPECTED)
def test_export_is_classified_as_documented(rule, name):
    expected = EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(ErpFileError, match=expected):
            read_export(FOLDER / name, COMPANIES, rule, 0.2)
        return
    found = read_export(FOLDER / name, COMPANIES, rule, 0.2)
    reasons = Counter(found.rejected["REASON"].to_pylist())
    assert (found.accepted.num_rows, dict(reasons)) == expected


def test_million_row_export_is_read(rule, tmp_path):
    big = tmp_path / "big.csv"
    subprocess.run([sys.executable, FOLDER / "gen_big.py", big], check=True)  # noqa: S603
    found = read_export(big, COMPANIES, rule, 0.2)
    reasons = Counter(found.rejected["REASON"].to_pylist())
    assert found.accepted.num_rows == 998_184
    assert reasons == {"conflicting_key": 1616, "unknown_exchange": 200}
