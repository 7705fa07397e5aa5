"""Names that runbooks spell are names of the code: of its fields, and of what Terraform makes."""

import re

import pytest

from stock_platform.orchestration.monitoring.alerts import ALERTS
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform_tests.support.terraform_code import ROOT as TERRAFORM
from stock_platform_tests.support.terraform_code import listed, local, resources
from stock_platform_tests.unit.docs.test_runbooks import PAGES, ROOT, named, spelt

MONITORING = (ROOT / "docs" / "monitoring.md").read_text()
PAGE = pytest.mark.parametrize("page", PAGES, ids=named)
NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"
FOLDERS = ("stock_platform", "deploy", "terraform")
READ = {".py", ".tf", ".yaml", ".sql", ".sh", ".tftpl"}


@pytest.fixture(scope="module")
def known():
    files = (it for folder in FOLDERS for it in (ROOT / folder).rglob("*") if it.suffix in READ)
    names = {name for it in files for name in re.findall(rf"\b{NAME}\b", it.read_text())}
    # What an engine tells of a batch stands in metadata with this in front.
    return names | {f"run_{it}" for it in names}


@PAGE
def test_a_name_is_one_that_the_code_has(page, known):
    assert {it for it in spelt(page) if re.fullmatch(NAME, it)} - known == set()


@PAGE
def test_what_google_is_asked_for_by_name_is_what_terraform_makes(page):
    text = "".join(it.read_text() for it in (ROOT / "terraform").rglob("*.tf"))
    (secrets,) = (it for it in resources(TERRAFORM) if it.type == "google_secret_manager_secret")
    made = {
        *re.findall(r"\$\{var\.prefix\}-([a-z-]+)", text),
        *local("storage.tf")["buckets"],
        *listed(secrets.body["for_each"]),
    }
    assert set(re.findall(r"\bPREFIX-([a-z]+(?:-[a-z]+)*)", page.read_text())) - made == set()


@PAGE
def test_a_field_of_the_logs_is_one_that_is_told_of(page):
    asked = set(re.findall(r"jsonPayload\.([a-z_]+)", page.read_text()))
    assert {it for it in asked if f"`{it}`" not in MONITORING} == set()


def test_the_page_on_monitoring_names_every_event_and_no_other():
    table = MONITORING.split("\n## Events\n")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(EventName)


def test_the_page_on_monitoring_tells_every_alert():
    table = MONITORING.split("\n## Alerts\n")[1].split("\n## ")[0]
    assert set(re.findall(r"\[([a-z-]+)\]\(runbooks", table)) == {
        *ALERTS,
        *local("monitoring.tf")["alerts"],
    }
