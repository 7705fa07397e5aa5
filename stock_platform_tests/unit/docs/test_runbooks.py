"""What runbooks and the deployment's page tell a person to type or to look for is there."""

import re
import shlex
from pathlib import Path

import click
import pytest
from dagster._cli import create_dagster_cli

from stock_platform.contracts import TABLES
from stock_platform.definitions import defs
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform.settings import variable_names

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(
    [
        *RUNBOOKS.glob("*.md"),
        *(ROOT / "docs" / f"{it}.md" for it in ("deploy", "monitoring", "upgrades")),
    ]
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
REPOSITORY = defs.get_repository_def()
SERVICES = {"code", "daemon", "webserver"}


def named(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(params=PAGES, ids=named)
def page(request):
    return request.param


def commands(page):
    """Each command of a page's console blocks, as a shell takes it apart."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").strip().splitlines():
            yield from (shlex.split(part) for part in re.split(r" \| | -- (?=sudo)", line.strip()))


def spelt(page):
    """What a page sets in code, outside its blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def test_the_pages_have_commands():
    assert sum(1 for page in PAGES for _ in commands(page)) > 60


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_its_runbook_and_the_index_names_it(loss):
    assert (RUNBOOKS / f"{loss}.md").is_file()
    assert f"({loss}.md)" in (RUNBOOKS / "README.md").read_text()


def test_the_index_names_every_runbook():
    index = (RUNBOOKS / "README.md").read_text()
    assert [it.name for it in RUNBOOKS.glob("*.md") if f"({it.name})" not in index] == ["README.md"]


def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [it for it in targets if "://" not in it]
    assert [it for it in local if not (page.parent / it).exists()] == []


def test_settings_are_ours(page):
    asked = set(re.findall(r"STOCK_PLATFORM_[A-Z_]+[A-Z]", page.read_text()))
    assert asked - set(variable_names()) == set()


def test_words_of_log_lines_are_ours(page):
    asked = re.findall(r'jsonPayload\.event=\\?"([a-z_]+)', page.read_text())
    assert set(asked) - set(EventName) == set()


def test_names_of_the_graph_are_in_the_graph(page):
    known = {
        *(job.name for job in REPOSITORY.get_all_jobs()),
        *(it.name for it in [*REPOSITORY.schedule_defs, *REPOSITORY.sensor_defs]),
        *(key.path[-1] for key in REPOSITORY.asset_graph.get_all_asset_keys()),
        *(key.name for key in REPOSITORY.asset_graph.asset_check_keys),
        *TABLES,
        *EventName,
    }
    shape = r"[a-z]+(_[a-z]+)*_(schedule|sensor|prices?|price|report|load|data|unique|metrics|date)"
    asked = {it for it in spelt(page) if re.fullmatch(shape, it)}
    assert asked - known == set()


def test_files_of_the_repository_are_there(page):
    roots = r"(stock_platform|stock_platform_tests|spark_jobs|terraform|deploy|docs|data)/"
    asked = [it for it in spelt(page) if re.match(roots, it) and "*" not in it and "…" not in it]
    assert [it for it in asked if not (ROOT / it).exists()] == []


def test_make_has_the_targets(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {it.split()[1] for it in spelt(page) if it.startswith("make ")}
    assert {it[1] for it in commands(page) if it and it[0] == "make"} | asked <= targets


def test_dagster_takes_the_commands(page):
    for words in commands(page):
        # The database and its user are called dagster too.
        names = {"dagster", ".venv/bin/dagster"} if "compose" in words else {".venv/bin/dagster"}
        called = [it for it in words if it in names]
        if called:
            given = words[words.index(called[0]) + 1 :]
            command: click.Command = create_dagster_cli()
            context = click.Context(command)
            while isinstance(command, click.Group):
                _, command, given = command.resolve_command(context, given)
            command.make_parser(context).parse_args(list(given))


def test_a_run_is_asked_for_in_the_code_location_that_the_daemon_knows(page):
    for words in commands(page):
        if "compose" in words and words[words.index("compose") :].count("job"):
            assert words[words.index("-w") + 1] == "/opt/stock_platform/workspace.yaml"
            assert (
                "COPY deploy/entrypoint.sh deploy/workspace.yaml /opt/stock_platform/"
                in (ROOT / "Dockerfile").read_text()
            )


def test_containers_are_services_of_the_compose_file(page):
    for words in commands(page):
        if "compose" in words and "exec" in words:
            assert words[words.index("exec") + 1] in SERVICES
            assert (ROOT / "deploy" / "entrypoint.sh").is_file()
        for verb in ("restart", "stop"):
            if "compose" in words and verb in words:
                assert set(words[words.index(verb) + 1 :]) <= SERVICES


def test_terraforms_arguments_are_there(page):
    for words in commands(page):
        if words and words[0] == "terraform":
            folder = next(
                (it.split("=")[1] for it in words if it.startswith("-chdir=")), "terraform"
            )
            folders = [ROOT / folder, ROOT / "terraform" / "bootstrap"]
            for word in words:
                if word.startswith(("-var-file=", "-backend-config=")):
                    assert any((it / word.split("=")[1]).is_file() for it in folders), word
            if "output" in words and words[-1] not in {"output", "-raw"}:
                text = "".join((it / "outputs.tf").read_text() for it in folders)
                assert f'output "{words[-1]}"' in text


def test_what_is_replaced_or_imported_is_a_resource(page):
    text = "".join(it.read_text() for it in (ROOT / "terraform").glob("*.tf"))
    for kind, name in re.findall(r"(google_[a-z_]+)\.([a-z_]+)", page.read_text()):
        assert f'resource "{kind}" "{name}"' in text
