"""The repository's pages and their parts."""

import re
import shlex

import pytest

from stock_platform.definitions import defs
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.markdown import blocks

RUNBOOKS = ROOT / "docs" / "runbooks"
OPERATIONS = [
    *sorted(RUNBOOKS.glob("*.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("deploy", "monitoring", "upgrades")),
]
PAGES = sorted(
    page
    for page in {*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("docs/**/*.md")}
    if "node_modules" not in page.parts  # of a linter
)
LOSSES = (
    "warehouse-lost",
    "lake-object-lost",
    "region-lost",
    "orchestrator-lost",
    "database-lost",
    "terraform-state-lost",
    "bad-data-published",
)


def each(pages):
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


EACH_PAGE, EACH_OPERATIONS_PAGE = each(PAGES), each(OPERATIONS)

REPOSITORY = defs.get_repository_def()
JOBS = {job.name for job in REPOSITORY.get_all_jobs()}
ASSETS = {key.path[-1] for key in REPOSITORY.asset_graph.get_all_asset_keys()}
CHECKS = {key.name for key in REPOSITORY.asset_graph.asset_check_keys}
AUTOMATION = {entry.name for entry in [*REPOSITORY.schedule_defs, *REPOSITORY.sensor_defs]}


def commands(page):
    """The commands of a page's console blocks, as lists of words."""
    text = re.sub(r"(^|\s)# .*", "", "".join(blocks(page, "console"))).replace("\\\n", " ")
    parts = re.split(r"\n| \| | -- (?=sudo)", text)
    return [words for part in parts if (words := shlex.split(part))]


def code_spans(page):
    """The text in backquotes outside blocks."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", text)


def all_commands(page):
    """The commands of blocks and of sentences."""
    spans = [shlex.split(span) for span in code_spans(page) if " " in span and "…" not in span]
    return [*commands(page), *spans]


def terraform_text(pattern="*.tf"):
    return "".join(file.read_text() for file in (ROOT / "terraform").rglob(pattern))
