"""Imports point one way, only orchestration knows Dagster, and exceptions share a base class."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from stock_platform.errors import StockPlatformError

PACKAGE = Path(__file__).resolve().parents[2] / "stock_platform"

# From the bottom up: a package may import from its own line and from the lines above it.
LAYERS = (
    {"errors", "plain_text"},
    {"calendars", "contracts", "google", "settings"},
    {"lake", "market_data"},
    {"erp", "spark", "warehouse"},
    {"quality"},
    {"orchestration"},
    {"definitions"},
    {"cli"},
)
# Within orchestration, by the same rule.
ORCHESTRATION_LAYERS = (
    {"metadata", "partitions", "process_locks"},
    {"dagster_internals", "resources"},
    {"check_results", "io_managers"},
    {"assets", "batches", "checks", "fetch", "pending"},
    {"automation", "monitoring"},
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
ORCHESTRATION_LEVEL = {
    package: level for level, packages in enumerate(ORCHESTRATION_LAYERS) for package in packages
}
KNOWS_DAGSTER = {"orchestration", "definitions", "cli"}
INTERNALS = "stock_platform.orchestration.dagster_internals"
PRIVATE_ROOTS = ("dagster_shared", "dagster_webserver", "dagster_graphql")
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide their direction"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            is_package = (PACKAGE.parent / str(node.module).replace(".", "/")).is_dir()
            yield from names if is_package else [node.module or ""]


def is_private(name):
    root, *rest = name.split(".")
    is_dagster = root.startswith("dagster")
    return root in PRIVATE_ROOTS or (is_dagster and any(part.startswith("_") for part in rest))


def makes_markdown(file):
    text = file.read_text()
    nodes = ast.walk(ast.parse(text))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return "md" in attributes or "MarkdownMetadataValue" in text


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_one_way(file):
    package = package_of(file)
    ours = [name.split(".") for name in imported(file) if name.startswith("stock_platform.")]
    if package == "__init__":
        assert list(imported(file)) == []
        return
    backward = {name[1] for name in ours if LEVEL[name[1]] > LEVEL[package]}
    assert backward == set(), f"{package} imports {backward}, which are above it"


@pytest.mark.parametrize(
    "file", [file for file in MODULES if "orchestration" in file.parts], ids=name_of
)
def test_orchestration_imports_point_one_way(file):
    own = name_of(file).split(".")
    if len(own) > 2:
        ours = [name.split(".") for name in imported(file)]
        targets = {name[2] for name in ours if name[:2] == own[:2]}
        level = ORCHESTRATION_LEVEL[own[2]]
        assert [name for name in targets if ORCHESTRATION_LEVEL[name] > level] == []


def test_only_orchestration_definitions_and_cli_load_dagster():
    modules = [name_of(file) for file in MODULES if package_of(file) not in KNOWS_DAGSTER]
    script = f"import {', '.join(modules)}, sys; sys.exit('dagster' in sys.modules)"
    # S603: the command is this interpreter.
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_private_dagster_stays_in_one_package(file):
    if not name_of(file).startswith(INTERNALS):
        assert [name for name in imported(file) if is_private(name)] == []


def test_no_module_makes_markdown_metadata():
    """Dagster's UI would render it, and execute a mutation requested by an image."""
    assert [file for file in MODULES if makes_markdown(file)] == []


def test_exceptions_derive_from_the_platform_error():
    modules = [name_of(file) for file in MODULES if file.name != "__main__.py"]
    values = [value for name in modules for value in vars(importlib.import_module(name)).values()]
    exceptions = {
        value
        for value in values
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__.startswith("stock_platform.")
    }
    assert len(exceptions) > 1
    assert [error for error in exceptions if not issubclass(error, StockPlatformError)] == []


def test_spark_job_is_self_contained():
    job = PACKAGE.parent / "spark_jobs" / "process_stock_prices.py"
    roots = {name.split(".")[0] for name in imported(job)}
    assert roots.isdisjoint({"dagster", "stock_platform", "pandas", "pyarrow"})
