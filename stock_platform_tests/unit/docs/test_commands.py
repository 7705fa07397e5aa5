"""Commands are valid, and name jobs, tables, services and files that exist."""

import json
import re
from pathlib import Path

import click
import sqlglot
from dagster._cli import create_dagster_cli
from sqlglot import exp

from stock_platform.contracts import TABLES
from stock_platform_tests.support.terraform_code import local
from stock_platform_tests.unit.docs.pages import (
    EACH_OPERATIONS_PAGE,
    EACH_PAGE,
    JOBS,
    OPERATIONS,
    ROOT,
    RUNBOOKS,
    all_commands,
    code_spans,
    commands,
    terraform_text,
)

SERVICES = {"code", "daemon", "webserver"}
COLUMNS = {column.name for table in TABLES.values() for column in table.columns}
# Runbooks name the project in these commands, because nobody knows gcloud's default at night.
PROJECT_COMMANDS = {"compute", "dataproc", "logging", "secrets", "sql"}


def test_pages_have_commands():
    assert sum(1 for page in OPERATIONS for _ in commands(page)) > 60


def parsed_options(words):
    """The options of a `dagster` command, by Dagster's own parser."""
    command: click.Command = create_dagster_cli()
    context = click.Context(command)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
    options, _, _ = command.make_parser(context).parse_args(list(words))
    return options


@EACH_PAGE
def test_dagster_commands_are_valid(page):
    for words in commands(page):
        # The database and its user have the name `dagster` too.
        in_compose = "compose" in words
        names = {".venv/bin/dagster"} | ({"dagster"} if in_compose else set())
        found = [position for position, word in enumerate(words) if word in names]
        if not found:
            continue
        given = words[found[0] + 1 :]
        options = parsed_options(given)
        if given[0] == "job":
            assert options["job_name"] in JOBS
            json.loads(options.get("tags", "{}"))
            (workspace,) = options["workspace"]
            assert (ROOT / "deploy" / Path(workspace).name).is_file()
            assert not in_compose or workspace == "/opt/stock_platform/workspace.yaml"


def test_image_has_the_workspace_of_the_commands():
    copied = "COPY deploy/entrypoint.sh deploy/workspace.yaml /opt/stock_platform/\n"
    assert copied in (ROOT / "Dockerfile").read_text()


@EACH_PAGE
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [words[1:] for words in commands(page) if words[0] == "make"]
    called += [span.split()[1:] for span in code_spans(page) if span.startswith("make ")]
    assert {word for words in called for word in words if "=" not in word} <= targets


@EACH_OPERATIONS_PAGE
def test_compose_commands_name_services(page):
    for words in all_commands(page):
        if "compose" in words:
            for verb in {"exec", "run"} & set(words):
                assert SERVICES & set(words[words.index(verb) :])
            for verb in {"restart", "stop"} & set(words):
                assert set(words[words.index(verb) + 1 :]) <= SERVICES


@EACH_OPERATIONS_PAGE
def test_terraform_commands_name_files_and_outputs(page):
    outputs = terraform_text("outputs.tf")
    for words in all_commands(page):
        if words[:1] == ["terraform"]:
            chdir = [word.split("=")[1] for word in words if word.startswith("-chdir=")]
            folder = ROOT / (chdir or ["terraform"])[0]
            pairs = [word.partition("=") for word in words]
            files = [file for name, _, file in pairs if name in {"-var-file", "-backend-config"}]
            assert [file for file in files if not (folder / file).is_file()] == []
            if "output" in words and words[-1] not in {"output", "-raw"}:
                assert f'output "{words[-1]}"' in outputs


@EACH_OPERATIONS_PAGE
def test_terraform_resources_exist(page):
    text = terraform_text()
    keys = {
        "google_storage_bucket": local("storage.tf")["buckets"],
        "google_bigquery_table": TABLES,
    }
    for kind, name, key in re.findall(r'(google_\w+)\.(\w+)(?:\[\\?"(\w+))?', page.read_text()):
        assert f'resource "{kind}" "{name}"' in text
        assert not key or (name == "main" and key in keys[kind])


@EACH_OPERATIONS_PAGE
def test_workflows_exist(page):
    for words in all_commands(page):
        if words[:2] == ["gh", "workflow"]:
            assert (ROOT / ".github" / "workflows" / words[-1]).is_file()


@EACH_OPERATIONS_PAGE
def test_runbooks_name_the_project_for_gcloud(page):
    for words in all_commands(page) if page.parent == RUNBOOKS else []:
        if words[:1] == ["gcloud"] and words[1] in PROJECT_COMMANDS and len(words) > 4:
            assert any(word.startswith("--project=") for word in words), words


@EACH_OPERATIONS_PAGE
def test_queries_and_copies_use_tables_of_the_contracts(page):
    # Copies that the page itself creates.
    copies = set(re.findall(r"CREATE TABLE stock_platform\.(\w+)", page.read_text()))
    modules = {path.stem for path in (ROOT / "stock_platform").iterdir()}
    named = set(re.findall(r"stock_platform(?:_backup)?\.(\w+?)(?:_\d{8})?\b", page.read_text()))
    assert named <= {*TABLES, *copies, *modules}
    queries = [words[-1] for words in commands(page) if words[:1] == ["bq"] and "query" in words]
    for query in queries:
        # The parser does not know UNDROP.
        if not query.startswith("UNDROP "):
            for tree in filter(None, sqlglot.parse(query, dialect="bigquery")):
                columns = {column.name for column in tree.find_all(exp.Column)}
                assert columns <= COLUMNS | {"now_there", "yesterday"}
