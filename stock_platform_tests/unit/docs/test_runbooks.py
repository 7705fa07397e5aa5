"""Every alert and every loss has a runbook with its sections, which the index names."""

import re

import pytest

from stock_platform.orchestration.monitoring.alerts import ALERTS
from stock_platform_tests.support.terraform_code import local
from stock_platform_tests.unit.docs.pages import LOSSES, RUNBOOKS, commands

SECTIONS = ("Meaning", "Affects", "Diagnose", "Fix", "Resolved when")


@pytest.mark.parametrize("alert", sorted({*ALERTS, *local("monitoring.tf")["alerts"]}))
def test_alert_runbook_has_its_sections(alert):
    headings = re.findall(
        r"^\*\*(.+?)\.?\*\*", (RUNBOOKS / f"{alert}.md").read_text(), re.MULTILINE
    )
    assert tuple(heading for heading in headings if heading in SECTIONS) == SECTIONS


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_runbook_has_steps_and_commands(loss):
    page = RUNBOOKS / f"{loss}.md"
    text = page.read_text()
    assert text.startswith(f"# {loss}\n\n**Loss.** ")
    assert re.search(r"^1\. ", text, re.MULTILINE)
    assert "\n**Resolved when** " in text
    assert list(commands(page))
    assert re.search(r"not measured|\d s ", re.sub(r"\s+", " ", text)), "duration of recovery"


def test_index_names_every_runbook():
    linked = re.findall(r"\(([a-z-]+\.md)\)", (RUNBOOKS / "README.md").read_text())
    assert {*linked, "README.md"} == {page.name for page in RUNBOOKS.glob("*.md")}
