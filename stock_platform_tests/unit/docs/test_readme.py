"""Commands, links and names on the pages for newcomers and contributors exist."""

import ast
import io
import re
import shlex
from collections import Counter
from importlib.util import find_spec

import click
import pytest
from dagster._cli import create_dagster_cli
from rich.console import Console

from stock_platform.cli.demo import _answer_grid, _count_grid
from stock_platform.definitions import defs
from stock_platform.settings import variable_names
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.markdown import ROOT, blocks, demo_output, shapes

README = ROOT / "README.md"
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / ".github").glob("*.md"),
        *(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"),
        *(ROOT / "docs" / "reference").glob("*.md"),
        *(ROOT / "docs" / f"{name}.md" for name in ("README", "containers", "erp", "how-it-works")),
        ROOT / "docs" / "quality.md",
    }
)
GRAPH = defs.get_repository_def().asset_graph
TREES = ("stock_platform", "stock_platform_tests", "spark_jobs", "data", "docs", "terraform")
SAMPLE_TICKERS = {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
MAX_LINES = 130


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(params=PAGES, ids=name_of)
def page(request):
    return request.param


def code_spans(page):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", text)


def commands(page):
    lines = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= MAX_LINES


def test_links_resolve(page):
    for target, _, anchor in (
        link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", page.read_text())
    ):
        if "://" not in target:
            found = page.parent / target if target else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), anchor


def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [words[1:] for words in commands(page) if words[0] == "make"]
    called += [span.split()[1:] for span in code_spans(page) if span.startswith("make ")]
    assert {word for words in called for word in words if "=" not in word} <= targets


def test_settings_exist(page):
    used = set(re.findall(r"STOCK_PLATFORM_[A-Z_]+[A-Z]", page.read_text()))
    prefixes = {name.rpartition("__")[0] for name in variable_names() if "__" in name}
    assert used <= {*variable_names(), *prefixes}


def test_files_exist(page):
    patterns = [span for span in code_spans(page) if span.split("/")[0] in TREES and "/" in span]
    patterns += [
        f"stock_platform_tests/{span}"
        for span in code_spans(page)
        if re.fullmatch(r"(unit|integration|support|benchmarks)/[\w/.]*", span)
    ]
    assert [path for path in patterns if not list(ROOT.glob(path.rstrip("/")))] == []


def test_modules_exist(page):
    modules = re.findall(r"python -m (stock_platform[\w.]+)", page.read_text())
    assert [name for name in modules if find_spec(name) is None] == []


def test_dagster_accepts_the_commands(page):
    for words in commands(page):
        if words[0] == ".venv/bin/dagster":
            command: click.Command = create_dagster_cli()
            context, given = click.Context(command), words[1:]
            while isinstance(command, click.Group):
                _, command, given = command.resolve_command(context, given)
            command.make_parser(context).parse_args(list(given))


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
    catalogue = (
        (ROOT / "docs" / "quality.md").read_text().split("## Catalogue")[1].split("\n## ")[0]
    )
    first_cells = re.findall(r"^\| (`.*?) \|", catalogue, re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == {key.name for key in GRAPH.asset_check_keys}


def test_erp_page_lists_every_reason():
    tree = ast.parse((ROOT / "stock_platform" / "erp" / "row_rules.py").read_text())
    constants = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    reasons = {text for text in constants if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", text)}
    assert reasons - set(code_spans(ROOT / "docs" / "erp.md")) == set()
