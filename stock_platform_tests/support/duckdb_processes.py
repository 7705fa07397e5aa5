"""Programs that read and load a DuckDB warehouse in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from stock_platform.contracts import DIM_EXCHANGE
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.processes import running

ROWS = 3_000
# Reads until its input ends. Every load has ROWS equal rows with a later name than the one before.
READER = """
import duckdb, select, sys
name, reads = "", 0
while not select.select([sys.stdin], [], [], 0)[0]:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        found = connection.execute(
            "SELECT ExchangeName, COUNT(*) FROM dim_exchange GROUP BY ExchangeName"
        ).fetchall()
    ((newer, rows),) = found
    assert rows == int(sys.argv[2]) and newer >= name, (found, name)
    name, reads = newer, reads + 1
    if reads == 1:
        print("reading", flush=True)
"""
HOLDER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only="read" in sys.argv[2:]) as connection:
    for _ in sys.stdin:
        print(connection.execute("SELECT MIN(ExchangeName) FROM dim_exchange").fetchall()[0][0])
        sys.stdout.flush()
"""
# Stops for a line of input when it calls one of the given functions.
LOADER = """
import sys
from pathlib import Path
from unittest.mock import patch
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.duckdb_processes import load
file, name, rows, *stops = sys.argv[1:]
patch("stock_platform.warehouse.duckdb_generations._MIN_BLOATED_BYTES", 0).start()
for stop in stops:
    patch(stop, lambda *_: (print("stopped", flush=True), input())).start()
load(DuckDBWarehouse(Path(file)), name, int(rows))
"""

# Applies the batches of a lake, and stops when it calls one of the given functions.
APPLIER = """
import sys
from pathlib import Path
from unittest.mock import patch
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.load import apply_pending
file, lake, rebuild, stop = sys.argv[1:]
patch(stop, lambda *_: (print("stopped", flush=True), input())).start()
paths, warehouse = LakePaths(lake), DuckDBWarehouse(Path(file))
apply_pending(paths, warehouse, read_state(paths), rebuild=rebuild == "True")
"""


def load(warehouse: DuckDBWarehouse, name: str, rows: int = ROWS) -> None:
    """Replace dim_exchange by rows that all have this name."""
    common = {"ExchangeName": name, "Timezone": "UTC", "Currency": "USD", "YahooSuffix": ""}
    schema = arrow_schema(DIM_EXCHANGE)
    one = pa.Table.from_pylist([{**common, "IsMissingFromExport": False}], schema=schema)
    table = one.take(pa.array([0] * rows))
    codes = pa.array([f"{row:06}" for row in range(rows)])
    position = schema.get_field_index("ExchangeCode")
    warehouse.replace_table(DIM_EXCHANGE, table.set_column(position, schema.field(position), codes))


def name_in(warehouse: DuckDBWarehouse) -> str | None:
    """The name that all rows of dim_exchange have, None if there is none."""
    (row,) = warehouse.query(
        "SELECT MIN(ExchangeName) AS low, MAX(ExchangeName) AS high FROM dim_exchange"
    ).to_pylist()
    assert row["low"] == row["high"]
    name: str | None = row["low"]
    return name


def program(code: str, *arguments: object) -> AbstractContextManager[subprocess.Popen[str]]:
    """A process that runs code, with pipes."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return running(sys.executable, "-c", code, *arguments, **pipes)


def load_and_die(file: Path, name: str, where: str, rows: int = ROWS) -> None:
    """Load in another process, which is killed when it calls a function."""
    with stopped_load(file, name, where, rows) as process:
        process.kill()


def apply_and_die(file: Path, lake: str, where: str, *, rebuild: bool) -> None:
    """Apply the batches of a lake in another process, which is killed when it calls a function."""
    with program(APPLIER, file, lake, rebuild, where) as process:
        _wait_until_stopped(process)
        process.kill()


@contextmanager
def stopped_load(
    file: Path, name: str, where: str, rows: int = ROWS
) -> Iterator[subprocess.Popen[str]]:
    """A process that has stopped within a load."""
    with program(LOADER, file, name, rows, where) as process:
        _wait_until_stopped(process)
        yield process


def _wait_until_stopped(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "stopped\n", process.stderr.read()


def ask(process: subprocess.Popen[str]) -> str:
    """The name that a holder reads in the connection that it has open."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
