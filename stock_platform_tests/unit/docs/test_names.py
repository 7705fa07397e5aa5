"""Names exist: links, settings, events, assets, files, objects of the lake."""

import re
from importlib.util import find_spec

import pytest

from stock_platform.contracts import TABLES
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths
from stock_platform.orchestration.monitoring.alerts import ALERTS
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform.settings import variable_names
from stock_platform_tests.support.terraform_code import local
from stock_platform_tests.unit.docs.pages import (
    ASSETS,
    AUTOMATION,
    CHECKS,
    EACH_OPERATIONS_PAGE,
    EACH_PAGE,
    JOBS,
    ROOT,
    code_spans,
    terraform_text,
)

MONITORING = (ROOT / "docs" / "monitoring.md").read_text()
NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"
GRAPH_NAME = r"[a-z]+(_[a-z]+)*_(schedule|sensor|prices?|report|load|data|unique|metrics|date)"
SOURCES = {".py", ".tf", ".yaml", ".sql", ".sh", ".tftpl"}
OUR_FOLDERS = r"(stock_platform|stock_platform_tests|spark_jobs|terraform|deploy|docs|data)/"
TEST_FOLDERS = r"(unit|integration|support|benchmarks)/"


@pytest.fixture(scope="module")
def code_names():
    folders = [ROOT / name for name in ("stock_platform", "deploy", "terraform")]
    files = (path for folder in folders for path in folder.rglob("*") if path.suffix in SOURCES)
    names = {name for file in files for name in re.findall(rf"\b{NAME}\b", file.read_text())}
    # The prefix of metadata about a batch.
    return names | {f"run_{name}" for name in names}


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@EACH_OPERATIONS_PAGE
def test_names_are_in_the_code(page, code_names):
    spans = code_spans(page)
    assert {span for span in spans if re.fullmatch(NAME, span)} <= code_names
    in_graph = {span for span in spans if re.fullmatch(GRAPH_NAME, span)}
    assert in_graph <= {*JOBS, *AUTOMATION, *ASSETS, *CHECKS, *TABLES, *EventName}


@EACH_OPERATIONS_PAGE
def test_names_to_click_are_of_their_kind(page):
    text = re.sub(r"\s+", " ", page.read_text())
    assert set(re.findall(r"Jobs, `(\w+)`", text)) <= JOBS
    assert set(re.findall(r"`(\w+_(?:schedule|sensor))`", text)) <= AUTOMATION
    assert set(re.findall(r"[Mm]aterialize `(\w+)`", text)) <= ASSETS
    for names in re.findall(r"[Cc]hecks? ((?:`\w+`(?:, | and )?)+)", text):
        assert set(re.findall(r"`(\w+)`", names)) <= CHECKS


@EACH_PAGE
def test_links_resolve(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        target, _, anchor = link.partition("#")
        if "://" not in target:
            found = page.parent / target if target else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), anchor


@EACH_PAGE
def test_files_and_modules_exist(page):
    spans = [span for span in code_spans(page) if "…" not in span]
    files = [span for span in spans if re.match(OUR_FOLDERS, span)]
    files += [f"stock_platform_tests/{span}" for span in spans if re.match(TEST_FOLDERS, span)]
    assert [file for file in files if not list(ROOT.glob(file.rstrip("/")))] == []
    modules = re.findall(r"python -m (stock_platform[\w.]+)", page.read_text())
    assert [name for name in modules if find_spec(name) is None] == []


@EACH_PAGE
def test_settings_exist(page):
    used = set(re.findall(r"STOCK_PLATFORM_[A-Z_]+[A-Z]", page.read_text()))
    prefixes = {name.rpartition("__")[0] for name in variable_names() if "__" in name}
    assert used <= {*variable_names(), *prefixes}


@EACH_OPERATIONS_PAGE
def test_events_and_fields_exist(page):
    text = page.read_text()
    assert set(re.findall(r'jsonPayload\.event=\\?"([a-z_]+)', text)) <= set(EventName)
    fields = set(re.findall(r"jsonPayload\.([a-z_]+)", text))
    assert {field for field in fields if f"`{field}`" not in MONITORING} == set()


@EACH_OPERATIONS_PAGE
def test_cloud_resources_exist(page):
    made = {
        *re.findall(r"\$\{var\.prefix\}-([a-z-]+)", terraform_text()),
        *local("storage.tf")["buckets"],
        *re.findall(r'"([a-z]+-[a-z]+)"', terraform_text("secrets.tf")),
    }
    assert set(re.findall(r"\bPREFIX-([a-z]+(?:-[a-z]+)*)", page.read_text())) <= made


@EACH_OPERATIONS_PAGE
def test_lake_paths_are_those_of_the_platform(page):
    lake = LakePaths("gs://PREFIX-{layer}")
    known = [
        f"{lake.raw_run('RUN')}/manifest.json",
        f"{lake.raw_run('RUN')}/records-00000.json.gz",
        f"{lake.raw_run('RUN')}/responses-00000.json.gz",
        lake.commit(0),
        *(f"{lake.landing(kind)}/{kind}.csv" for kind in ("companies", "exchanges")),
    ]
    objects = re.findall(r"gs://PREFIX-(?:raw|processed)/[^\s'`#]+", page.read_text())
    assert [name for name in objects if not any(path.startswith(name) for path in known)] == []
    source = (ROOT / "stock_platform" / "lake" / "paths.py").read_text()
    layouts = "".join(source.replace("{table}", table) for table in PROCESSED_TABLES)
    for span in code_spans(page):
        if re.fullmatch(r"(raw|processed|landing|code)/[\w/]*", span):
            assert re.search(rf"/{span.rstrip('/')}\b", layouts), span


@pytest.mark.parametrize(
    ("heading", "row", "names"),
    [
        ("Events", r"^\| `(\w+)` \|", {*EventName}),
        ("Alerts", r"\[([a-z-]+)\]\(runbooks", {*ALERTS, *local("monitoring.tf")["alerts"]}),
    ],
)
def test_monitoring_page_lists_all_events_and_alerts(heading, row, names):
    table = MONITORING.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    listed = re.findall(row, table, re.MULTILINE)
    assert sorted(listed) == sorted(names)
