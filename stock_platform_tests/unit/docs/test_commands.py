"""What the commands of runbooks name: jobs, tables, objects of the lake, resources, workflows."""

import json
import re
import shlex
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from stock_platform.contracts import TABLES
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths
from stock_platform.orchestration.monitoring.alerts import ALERTS as PLATFORM_ALERTS
from stock_platform_tests.support.terraform_code import local
from stock_platform_tests.unit.docs.test_runbooks import (
    LOSSES,
    PAGES,
    REPOSITORY,
    ROOT,
    RUNBOOKS,
    commands,
    named,
    spelt,
)

PAGE = pytest.mark.parametrize("page", PAGES, ids=named)
ALERTS = {*PLATFORM_ALERTS, *local("monitoring.tf")["alerts"]}
JOBS = {job.name for job in REPOSITORY.get_all_jobs()}
ASSETS = {key.path[-1] for key in REPOSITORY.asset_graph.get_all_asset_keys()}
CHECKS = {key.name for key in REPOSITORY.asset_graph.asset_check_keys}
AUTOMATION = {it.name for it in [*REPOSITORY.schedule_defs, *REPOSITORY.sensor_defs]}
COLUMNS = {column.name for table in TABLES.values() for column in table.columns}
# Of these every call must say which project: at night nobody knows what gcloud's default is.
OF_A_PROJECT = {"compute", "dataproc", "logging", "secrets", "sql"}
SESSION, RUN = "2026-11-23", "RUN_ID"


def all_commands(page):
    """Those of blocks, and those that stand in a sentence."""
    yield from commands(page)
    yield from (shlex.split(it) for it in spelt(page) if " " in it and "…" not in it)


def options(words, *names):
    return [words[at + 1] for at, word in enumerate(words[:-1]) if word in names]


def flat(page):
    return re.sub(r"\s+", " ", page.read_text())


def queries(page):
    """What BigQuery is asked; the parser does not know how a dataset is undeleted."""
    asked = [it[-1] for it in commands(page) if it[:1] == ["bq"] and "query" in it]
    return [it for it in asked if it != "UNDROP SCHEMA stock_platform"]


def trees(page):
    for query in queries(page):
        yield from (it for it in sqlglot.parse(query, dialect="bigquery") if it)


def copies(page):
    """Tables that the page itself makes beside ours, to be looked at."""
    return set(re.findall(r"CREATE TABLE stock_platform\.(\w+)", page.read_text()))


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_runbook_of_alert_has_all_sections(alert):
    text = (RUNBOOKS / f"{alert}.md").read_text()
    sections = ("Meaning.", "Affects.", "Diagnose.", "Fix.", "Resolved when")
    order = [text.index(f"**{section}") for section in sections]
    assert order == sorted(order)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_runbook_of_a_loss_says_what_is_lost_and_has_steps_and_commands(loss):
    page = RUNBOOKS / f"{loss}.md"
    assert page.read_text().startswith(f"# {loss}\n\n**Loss.** ")
    assert re.search(r"^1\. ", page.read_text(), re.MULTILINE)
    assert list(commands(page))
    assert re.search(r"not measured|\d s ", flat(page)), "how long it takes"


@PAGE
def test_jobs_that_are_launched_are_jobs_in_a_workspace_that_the_daemon_knows(page):
    for words in commands(page):
        if any(it.endswith("dagster") for it in words) and "job" in words:
            assert set(options(words, "-j", "--job")) <= JOBS
            (workspace,) = options(words, "-w", "--workspace")
            assert (ROOT / "deploy" / Path(workspace).name).is_file()
            assert all(json.loads(it) for it in options(words, "--tags"))


@PAGE
def test_what_is_clicked_in_the_ui_is_of_its_kind(page):
    text = flat(page)
    assert set(re.findall(r"Jobs, `(\w+)`", text)) <= JOBS
    assert set(re.findall(r"`(\w+_(?:schedule|sensor))`", text)) <= AUTOMATION
    assert set(re.findall(r"[Mm]aterialize `(\w+)`", text)) <= ASSETS
    for names in re.findall(r"[Cc]hecks? ((?:`\w+`(?:, | and )?)+)", text):
        assert set(re.findall(r"`(\w+)`", names)) <= CHECKS


@PAGE
def test_queries_name_tables_and_columns_of_the_contracts(page):
    ours, known = set(TABLES) | copies(page), COLUMNS | {"now_there", "yesterday"}
    for tree in trees(page):
        for table in tree.find_all(exp.Table):
            if table.db.startswith("stock_platform"):
                assert re.sub(r"_\d{8}$", "", table.name) in ours
        assert {it.name for it in tree.find_all(exp.Column)} <= known


@PAGE
def test_copied_tables_are_ours(page):
    asked = re.findall(r"stock_platform(?:_backup)?\.(\w+?)(?:_\d{8})?\b", page.read_text())
    modules = {it.stem for it in (ROOT / "stock_platform").iterdir()}
    assert set(asked) - set(TABLES) - copies(page) - modules == set()


@PAGE
def test_objects_of_the_lake_lie_where_the_platform_puts_them(page):
    lake = LakePaths("gs://PREFIX-{layer}")
    known = [
        lake.raw_prices(SESSION),
        lake.responses(RUN),
        lake.manifest(SESSION),
        *(f"{lake.landing(kind)}/{kind}.csv" for kind in ("companies", "exchanges")),
    ]
    asked = re.findall(r"gs://PREFIX-(?:raw|processed)/[^\s'`#]+", page.read_text())
    assert [it for it in asked if not any(path.startswith(it) for path in known)] == []


@PAGE
def test_folders_of_the_lake_are_folders_of_the_lake(page):
    source = (ROOT / "stock_platform" / "lake" / "paths.py").read_text()
    tables = [source.replace("{table}", it) for it in PROCESSED_TABLES]
    for it in spelt(page):
        if re.fullmatch(r"(raw|processed|landing|code)/[\w/]*", it):
            whole = re.compile(rf"/{it.rstrip('/')}\b")
            assert any(whole.search(text) for text in tables), it


@PAGE
def test_calls_of_gcloud_say_their_project_in_runbooks(page):
    if page.parent == RUNBOOKS:
        for words in all_commands(page):
            if words[:1] == ["gcloud"] and words[1] in OF_A_PROJECT and len(words) > 4:
                assert any(it.startswith("--project=") for it in words), words


@PAGE
def test_an_instance_of_a_resource_is_one_that_terraform_makes(page):
    keys = {"google_storage_bucket.main": set(local("storage.tf")["buckets"])}
    for address, key in re.findall(r'(google_\w+\.\w+)\[\\?"(\w+)', page.read_text()):
        assert key in keys[address]


@PAGE
def test_outputs_workflows_and_services_that_are_named_are_there(page):
    outputs = "".join(it.read_text() for it in (ROOT / "terraform").rglob("outputs.tf"))
    for words in all_commands(page):
        if words[:1] == ["terraform"] and "output" in words and words[-1] not in {"output", "-raw"}:
            assert f'output "{words[-1]}"' in outputs
        if words[:2] == ["gh", "workflow"]:
            assert (ROOT / ".github" / "workflows" / words[-1]).is_file()
        if "compose" in words and "run" in words:
            assert {"code", "daemon", "webserver"} & set(words)
