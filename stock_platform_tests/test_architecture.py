"""Imports point one way, few packages know Dagster, and all exceptions share a base class."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from stock_platform.errors import StockPlatformError

PACKAGE = Path(__file__).resolve().parents[1] / "stock_platform"

# From the bottom up: a package may import from its own line and from the lines above it.
LAYERS = (
    {"errors"},
    {"calendars", "contracts", "google", "plain_text", "settings"},
    {"market_data", "lake"},
    {"spark", "warehouse", "erp"},
    {"display"},
    {"orchestration"},
    {"io_managers"},
    {"assets"},
    {"quality"},
    {"automation"},
    {"orchestration/monitoring"},
    {"definitions"},
    {"cli"},
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted(PACKAGE.rglob("*.py"))


def package_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def knows_dagster(file):
    if package_of(file) == "quality":
        # Checks are in its modules; rules, measures and report are packages of their own.
        return file.parent == PACKAGE / "quality" and file.name != "__init__.py"
    return LEVEL.get(package_of(file), 0) >= LEVEL["display"]


WITHOUT_DAGSTER = [file for file in MODULES if not knows_dagster(file)]


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide their direction"
            yield node.module or ""


def makes_markdown(file):
    text = file.read_text()
    nodes = ast.walk(ast.parse(text))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return "md" in attributes or "MarkdownMetadataValue" in text


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_one_way(file):
    package = package_of(file)
    ours = [name.split(".")[1] for name in imported(file) if name.startswith("stock_platform.")]
    if package == "__init__":
        assert list(imported(file)) == []
        return
    backward = [target for target in ours if LEVEL[target] > LEVEL[package]]
    assert backward == [], f"{package} imports {backward}, which are above it"


@pytest.mark.parametrize("file", WITHOUT_DAGSTER, ids=name_of)
def test_lower_layers_do_not_import_dagster(file):
    roots = {name.split(".")[0] for name in imported(file)}
    assert [root for root in roots if root.startswith("dagster")] == []


def test_importing_lower_layers_does_not_load_dagster():
    modules = [name_of(file) for file in WITHOUT_DAGSTER]
    script = f"import {', '.join(modules)}, sys; sys.exit('dagster' in sys.modules)"
    # S603: the command is this interpreter.
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603


def test_exceptions_derive_from_the_platform_error():
    values = [
        value for file in MODULES for value in vars(importlib.import_module(name_of(file))).values()
    ]
    exceptions = {
        value
        for value in values
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__.startswith("stock_platform.")
    }
    assert len(exceptions) > 1
    assert [error for error in exceptions if not issubclass(error, StockPlatformError)] == []


def test_no_module_makes_markdown_metadata():
    """Dagster's UI would render it, and run a mutation that an image's address asks for."""
    assert [file for file in MODULES if makes_markdown(file)] == []


def test_the_spark_job_is_one_file_that_needs_nothing_of_ours():
    job = PACKAGE.parent / "spark_jobs" / "process_stock_prices.py"
    roots = {name.split(".")[0] for name in imported(job)}
    assert roots.isdisjoint({"dagster", "stock_platform", "pandas", "pyarrow"})
