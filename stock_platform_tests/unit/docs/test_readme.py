"""The README shows the real output; the pages of checks and of ERP files are complete."""

import ast
import io
import re
from collections import Counter

from rich.console import Console

from stock_platform.cli.demo import _answer_grid, _count_grid
from stock_platform.definitions import defs
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.markdown import demo_output, shapes
from stock_platform_tests.unit.docs.pages import CHECKS, code_spans

README = ROOT / "README.md"
GRAPH = defs.get_repository_def().asset_graph
SAMPLE_TICKERS = {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
MAX_LINES = 130


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= MAX_LINES


def test_demo_output_has_the_grids(tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.create_tables()
    counts = {key.to_user_string(): Counter() for key in GRAPH.get_all_asset_keys()}
    console = Console(file=io.StringIO(), width=120)
    console.print(_count_grid(counts), _answer_grid(warehouse))
    printed = set(shapes(console.file.getvalue()))
    shown = [shape for shape in shapes(demo_output()) if shape.startswith("│")]
    prices = [shape for shape in shown if shape not in printed]
    assert len(shown) > len(prices) == len(SAMPLE_TICKERS)
    assert {shape.split()[1] for shape in prices} == SAMPLE_TICKERS


def test_quality_page_lists_every_check():
    page = (ROOT / "docs" / "quality.md").read_text()
    catalogue = page.split("## Catalogue")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", catalogue, re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == CHECKS


def test_erp_page_lists_every_reason():
    tree = ast.parse((ROOT / "stock_platform" / "erp" / "row_rules.py").read_text())
    constants = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    reasons = {text for text in constants if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", text)}
    assert reasons - set(code_spans(ROOT / "docs" / "erp.md")) == set()
