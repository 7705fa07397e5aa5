"""Imports point one way, and the package is importable without work or network."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "stock_platform"

# From the bottom up: a room may import from its own line and from the lines above it.
LAYERS = (
    {"orchestration", "orchestration/dagster_internals"},
    {"limits", "calendars", "contracts", "google_advice", "google_identity", "google_settings"},
    {"settings"},
    {"partitions", "market_data", "sources", "lake", "spark", "warehouse"},
    {"display"},
    {"orchestration"},
    {"resources"},
    {"io_managers"},
    {"assets"},
    {"quality"},
    {"automation"},
    {"orchestration/monitoring"},
    {"definitions"},
    {"terminal"},
    {"demo", "rebuild"},
)
WITHOUT_DAGSTER = (
    "market_data",
    "sources",
    "lake",
    "spark",
    "warehouse",
    "calendars",
    "settings",
    "limits",
    "google_advice",
    "google_identity",
    "google_settings",
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(file):
    return room_in(file.relative_to(PACKAGE).with_suffix("").parts)


def room_in(parts):
    """The first part of a module's path, and in `orchestration` the second one too."""
    inner = parts[0] == "orchestration" and len(parts) > 1 and parts[1] != "__init__"
    return "/".join(parts[:2]) if inner else parts[0]


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide their direction"
            yield node.module or ""


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file):
    room = room_of(file)
    ours = [
        room_in(name.split(".")[1:])
        for name in imported(file)
        if name.startswith("stock_platform.")
    ]
    if room == "__init__":
        assert list(imported(file)) == []
        return
    backward = [target for target in ours if LEVEL[target] > LEVEL[room]]
    assert backward == [], f"{room} imports {backward}, which stand above it"


@pytest.mark.parametrize("room", WITHOUT_DAGSTER)
def test_what_stands_below_the_graph_knows_nothing_of_dagster(room):
    files = [file for file in MODULES if room_of(file) == room]
    assert files
    names = {name.split(".")[0] for file in files for name in imported(file)}
    assert "dagster" not in names


def test_the_spark_job_is_one_file_that_needs_nothing_of_ours():
    job = PACKAGE.parent / "spark_jobs" / "process_stock_prices.py"
    roots = {name.split(".")[0] for name in imported(job)}
    assert roots.isdisjoint({"dagster", "stock_platform", "pandas", "pyarrow"})
