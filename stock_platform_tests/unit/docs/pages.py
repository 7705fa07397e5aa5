"""The pages whose commands and names are checked, and their parts."""

import re
import shlex
from pathlib import Path

import pytest

from stock_platform.definitions import defs

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = [
    *sorted(RUNBOOKS.glob("*.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("deploy", "monitoring", "upgrades")),
]
LOSSES = (
    "warehouse-lost",
    "lake-object-lost",
    "region-lost",
    "orchestrator-lost",
    "database-lost",
    "terraform-state-lost",
    "bad-data-published",
)
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

REPOSITORY = defs.get_repository_def()
JOBS = {job.name for job in REPOSITORY.get_all_jobs()}
ASSETS = {key.path[-1] for key in REPOSITORY.asset_graph.get_all_asset_keys()}
CHECKS = {key.name for key in REPOSITORY.asset_graph.asset_check_keys}
AUTOMATION = {entry.name for entry in [*REPOSITORY.schedule_defs, *REPOSITORY.sensor_defs]}


def commands(page):
    """The commands of a page's console blocks, as lists of words."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").strip().splitlines():
            yield from (shlex.split(part) for part in re.split(r" \| | -- (?=sudo)", line.strip()))


def code_spans(page):
    """The text in backquotes outside blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def all_commands(page):
    """The commands of blocks and of sentences."""
    spans = [shlex.split(span) for span in code_spans(page) if " " in span and "…" not in span]
    return [*commands(page), *spans]


def terraform_text(pattern="*.tf"):
    return "".join(file.read_text() for file in (ROOT / "terraform").rglob(pattern))
