"""Help and validation of arguments, before a command starts."""

import subprocess
import sys

import pytest

from stock_platform.cli.demo import sessions_between
from stock_platform.orchestration.partitions import NotATradingDayError

HELP = """
import sys
from stock_platform.cli.main import main
try:
    main()
finally:
    print([name for name in ("dagster", "pandas", "pyarrow") if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    shown = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True
    )
    assert "Usage: stock-platform" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


def test_range_contains_its_trading_days():
    assert sessions_between("2012-08-31...2012-09-05") == ["2012-08-31", "2012-09-04", "2012-09-05"]
    assert sessions_between("2012-08-31") == ["2012-08-31"]


@pytest.mark.parametrize("text", ["2012-08-06..2012-08-10", "x...y", "", "2012-08-06...", "..."])
def test_invalid_range_is_explained(text):
    with pytest.raises(ValueError, match=r"write FIRST\.\.\.LAST with three dots"):
        sessions_between(text)


def test_reversed_range_is_corrected_in_message():
    with pytest.raises(ValueError, match=r"is reversed: write 2012-08-06\.\.\.2012-08-10"):
        sessions_between("2012-08-10...2012-08-06")


def test_holiday_in_a_range_is_rejected():
    with pytest.raises(NotATradingDayError, match="the next one after 2012-09-03 is 2012-09-04"):
        sessions_between("2012-08-31...2012-09-03")
