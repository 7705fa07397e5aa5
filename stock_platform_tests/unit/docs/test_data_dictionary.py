"""The generated reference pages are current."""

import re

import pytest

from stock_platform.contracts.dictionary import data_dictionary
from stock_platform.settings import variable_names
from stock_platform.settings.reference import settings_reference
from stock_platform_tests.support import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGES = {"data-dictionary.md": data_dictionary, "settings.md": settings_reference}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name):
    assert (REFERENCE / name).read_text() == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("name", PAGES)
def test_rows_have_as_many_cells_as_headers(name):
    for table in re.findall(r"(?:^\|.*\n)+", PAGES[name](), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_every_setting_has_a_description():
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.+) \|$", settings_reference(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(variable_names())
    assert all(meaning.endswith(".") for _, meaning in rows)
