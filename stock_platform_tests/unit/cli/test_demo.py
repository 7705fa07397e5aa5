"""The demo compares tables before and after its runs."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from stock_platform.cli.demo import _change_grid

NONE = pa.table({"Close": pa.array([], pa.float64())})
ROWS = pa.table({"Close": [1.0, None]})


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (NONE, NONE, "unchanged"),
        (NONE, ROWS, "new"),
        (ROWS, pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1)]), "unchanged"),
        (ROWS, pa.table({"Close": [1.0, 2.0]}), "changed"),
        (ROWS, ROWS.slice(1), "changed"),
        (ROWS, NONE, "changed"),
    ],
)
def test_tables_are_compared_by_value(before, after, change):
    output = io.StringIO()
    Console(file=output).print(_change_grid({"fact": before}, {"fact": after}))
    assert change in output.getvalue().split()
